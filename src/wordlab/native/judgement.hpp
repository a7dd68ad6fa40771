// What a softmax layer says of targets, in one pass over the classes; see kernels.cpp for what is
// computed. Included once for each instruction set.
//
// Each row is worked on alone and in one order, whatever rows and threads there are beside it.

// Of a panel of rows, by half of it.
struct JudgedPanel {
  V target_logit[2], below[2];  // and the next number below it
  VI target[2];
  V z[2], weighed[2];  // sums of exp(d), and of d exp(d) if wanted; d is a logit less the target's
  VI above[2];         // logits above the target's, or as large with a smaller class
};

// ROWS classes, from `first` on, and a panel of rows.
template <bool WEIGHED>
static inline void judge_tile(const float* w, const float* panel, long features,
                              const float* bias, long first, JudgedPanel& j) {
  V a[2][ROWS];
  for (int r = 0; r < ROWS; r++) a[0][r] = a[1][r] = same(bias[r]);
  for (long k = 0; k < features; k++) {
    V x0 = load(panel + PANEL * k), x1 = load(panel + PANEL * k + LANES);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      V one = same(w[r * features + k]);
      a[0][r] = Float32::add(a[0][r], one, x0);
      a[1][r] = Float32::add(a[1][r], one, x1);
    }
  }
  for (int half = 0; half < 2; half++) {
    V z = j.z[half], weighed = j.weighed[half];
    VI above = j.above[half];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      VI later = VI{} + (int32_t)(first + r) < j.target[half];
      above -= a[half][r] > (later ? j.below[half] : j.target_logit[half]);
      V d = bounded(a[half][r] - j.target_logit[half]), e = exponential(d);
      z += e;
      if (WEIGHED) weighed += d * e;
    }
    j.z[half] = z, j.weighed[half] = weighed, j.above[half] = above;
  }
}

struct Judgement {
  const Judged& p;
  long panels, chunk, bytes;
  float* features;
  JudgedPanel* found;
  double *z, *weighed;
  struct Own {  // of a thread
    float *weight, *bias, *target_weight;
  } own[MOST_THREADS];

  Judgement(const Judged& judged, Parts parts) : p(judged) {
    panels = up(p.rows, PANEL) / PANEL;
    chunk = MOST_CHUNK / ROWS * ROWS;
    features = parts.take<float>(panels * PANEL * p.features);
    found = parts.take<JudgedPanel>(panels);
    z = parts.take<double>(panels * PANEL);
    weighed = parts.take<double>(panels * PANEL);
    for (int t = 0; t < p.threads; t++)
      own[t] = {parts.take<float>(chunk * p.features), parts.take<float>(chunk),
                parts.take<float>(PANEL * p.features)};
    bytes = parts.used;
  }

  // Features of a panel, transposed; and its targets' logits, by the very sums of `judge_tile`, so
  // that words with the same weights tie.
  void begin(long panel, const Own& o) {
    float *x = features + panel * PANEL * p.features, *w = o.target_weight;
    float bias[PANEL] = {}, below[PANEL];
    int32_t target[PANEL] = {};
    for (long lane = 0; lane < PANEL; lane++) {
      long i = panel * PANEL + lane;
      for (long k = 0; k < p.features; k++) {
        x[PANEL * k + lane] = i < p.rows ? p.x[i * p.features + k] : 0;
        w[PANEL * k + lane] = i < p.rows ? p.weight[p.targets[i] * p.features + k] : 0;
      }
      if (i >= p.rows) continue;
      bias[lane] = p.bias[p.targets[i]];
      target[lane] = (int32_t)p.targets[i];
    }
    JudgedPanel& j = found[panel];
    for (int half = 0; half < 2; half++) {
      V logit = load(bias + half * LANES);
      for (long k = 0; k < p.features; k++) {
        long at = PANEL * k + half * LANES;
        logit = Float32::add(logit, load(w + at), load(x + at));
      }
      j.target_logit[half] = logit;
      for (int lane = 0; lane < LANES; lane++)
        below[half * LANES + lane] = std::nextafterf(logit[lane], -INFINITY);
      j.below[half] = load(below + half * LANES);
      memcpy(&j.target[half], target + half * LANES, sizeof(VI));
      j.above[half] = VI{};
    }
    memset(z + panel * PANEL, 0, PANEL * sizeof(double));
    memset(weighed + panel * PANEL, 0, PANEL * sizeof(double));
  }

  // The weights of a chunk of classes, where they are or padded; what pads has no probability.
  const float* weights(long first, const Own& o) const {
    for (long c = 0; c < chunk; c++)
      o.bias[c] = first + c < p.classes ? p.bias[first + c] : -1e30f;
    if (first + chunk <= p.classes) return p.weight + first * p.features;
    memset(o.weight, 0, chunk * p.features * sizeof(float));
    memcpy(o.weight, p.weight + first * p.features,
           (p.classes - first) * p.features * sizeof(float));
    return o.weight;
  }

  // A thread's share of the rows, whole panels of them.
  void judge(int thread) {
    Own& o = own[thread];
    long from = panels * thread / p.threads, to = panels * (thread + 1) / p.threads;
    for (long panel = from; panel < to; panel++) begin(panel, o);
    for (long first = 0; first < p.classes; first += chunk) {
      const float* w = weights(first, o);
      for (long panel = from; panel < to; panel++) judge_chunk(first, w, o, panel);
    }
    for (long panel = from; panel < to; panel++) finish(panel);
  }

  // The sums of a chunk are short, and are added up in double precision.
  void judge_chunk(long first, const float* w, const Own& o, long panel) {
    JudgedPanel j = found[panel];
    const float* x = features + panel * PANEL * p.features;
    for (int half = 0; half < 2; half++) j.z[half] = j.weighed[half] = V{};
    for (long v = 0; v < chunk; v += ROWS) {
      const float* here = w + v * p.features;
      if (p.entropies)
        judge_tile<true>(here, x, p.features, o.bias + v, first + v, j);
      else
        judge_tile<false>(here, x, p.features, o.bias + v, first + v, j);
    }
    found[panel] = j;
    for (long lane = 0; lane < PANEL; lane++) {
      z[panel * PANEL + lane] += j.z[lane / LANES][lane % LANES];
      weighed[panel * PANEL + lane] += j.weighed[lane / LANES][lane % LANES];
    }
  }

  // Rank 0 where a sum is too large or no number.
  void finish(long panel) {
    for (long lane = 0; lane < PANEL && panel * PANEL + lane < p.rows; lane++) {
      long i = panel * PANEL + lane;
      p.ranks[i] = 0;
      if (!(z[i] < MOST)) continue;
      p.nats[i] = std::log(z[i]);
      p.ranks[i] = 1 + found[panel].above[lane / LANES][lane % LANES];
      if (p.entropies) p.entropies[i] = std::max(0.0, p.nats[i] - weighed[i] / z[i]);
    }
  }
};

static int judge(const Judged& p, char* memory) {
  for (long i = 0; i < p.rows; i++)
    if (p.targets[i] < 0 || p.targets[i] >= p.classes) return 3;
  Judgement judgement(p, Parts{memory});
  return in_threads(p.threads, [&](int thread) { judgement.judge(thread); }) ? 0 : 2;
}
