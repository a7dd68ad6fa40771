// The softmax layer's loss and gradients in two passes over the classes; see kernels.cpp for what
// is computed. Included once for each instruction set.
//
// Matrices are packed so that inner loops read whole vectors, and padded so that every tile of
// classes is whole; each product keeps a tile of its result in registers.

constexpr long PANEL = 2 * LANES;
constexpr long CHUNK_NUMBERS = 1 << 16;  // exponentials of a chunk: 256 KiB of float32
constexpr long MOST_CHUNK = 144;         // classes of a chunk
constexpr float LEAST = -60, LARGEST = 80;  // of a logit less the target's
constexpr float MOST = 1e34f;               // of a sum of exponentials: far from overflow

static inline V bounded(V x) { return at_least(at_most(x, LARGEST), LEAST); }
static inline V bounded_exponential(V x) { return exponential(bounded(x)); }

// exp(logit - reference) of ROWS classes and a panel of rows, and their sums over the classes.
template <class F>
static inline void exponentials_tile(const typename F::Number* w, long width,
                                     const typename F::Number* panel, long pairs,
                                     const float* bias, const float* reference, V& z0, V& z1,
                                     typename F::Number* e, typename F::Number* e_pairs,
                                     long column, long rows) {
  V a0[ROWS], a1[ROWS];
  for (int r = 0; r < ROWS; r++) {
    a0[r] = same(bias[r]) - load(reference);
    a1[r] = same(bias[r]) - load(reference + LANES);
  }
  for (long k = 0; k < pairs; k++) {
    typename F::Row x0 = F::row(panel + F::PAIR * PANEL * k);
    typename F::Row x1 = F::row(panel + F::PAIR * (PANEL * k + LANES));
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      typename F::Row one = F::broadcast(w + r * width + F::PAIR * k);
      a0[r] = F::add(a0[r], one, x0);
      a1[r] = F::add(a1[r], one, x1);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r += 2) {
    V first = bounded_exponential(a0[r]), second = bounded_exponential(a0[r + 1]);
    z0 += first + second;
    F::keep(first, second, e + r * rows + column, rows, e_pairs + r * rows, column);
    first = bounded_exponential(a1[r]), second = bounded_exponential(a1[r + 1]);
    z1 += first + second;
    F::keep(first, second, e + r * rows + column + LANES, rows, e_pairs + r * rows,
            column + LANES);
  }
}

template <class F> struct Softmax {
  typedef typename F::Number Number;
  const Problem& p;
  long width, pairs, rows, chunk, chunks, bytes;
  Number *panels, *e, *scaled;
  float *reference, *inverse;
  struct Own {  // of a thread
    Number *weight, *weight_pairs, *e_pairs;
    float *bias, *d_features, *z, *d_weight;
    bool good;
  } own[MOST_THREADS];

  Softmax(const Problem& problem, Parts parts) : p(problem) {
    width = up(p.features, LANES);
    pairs = up(p.features, F::PAIR) / F::PAIR;
    rows = up(p.rows, PANEL);
    long fit = CHUNK_NUMBERS / rows / ROWS * ROWS;
    chunk = std::max((long)ROWS, std::min(fit, MOST_CHUNK / ROWS * ROWS));
    chunks = up(p.classes, chunk) / chunk;
    panels = parts.take<Number>(rows * pairs * F::PAIR);
    e = parts.take<Number>(chunks * chunk * rows);
    scaled = parts.take<Number>(rows * width);
    reference = parts.take<float>(rows);
    inverse = parts.take<float>(rows);
    for (int t = 0; t < p.threads; t++)
      own[t] = {parts.take<Number>(chunk * width), parts.take<Number>(chunk * width),
                parts.take<Number>(chunk * rows),  parts.take<float>(chunk),
                parts.take<float>(rows * width),   parts.take<float>(rows),
                parts.take<float>(chunk * width),  true};
    bytes = parts.used;
  }

  // A thread's share of the rows, whole panels of them.
  long first_row(int thread) const { return rows / PANEL * thread / p.threads * PANEL; }

  V columns(const float* row, long k) const { return load_some(row + k, p.features - k); }

  // Features by panels, transposed; and the target's logit, of the numbers as they are kept.
  void pack_features(int thread) {
    const long group = PANEL * F::PAIR;
    for (long i = first_row(thread); i < first_row(thread + 1); i++) {
      Number* to = panels + i / PANEL * pairs * group + i % PANEL * F::PAIR;
      const float* x = p.x + i * p.features;
      long real = i < p.rows ? p.features : 0;
      for (long k = 0; k < pairs * F::PAIR; k++)
        to[k / F::PAIR * group + k % F::PAIR] = F::number(k < real ? x[k] : 0);
      reference[i] = i < p.rows ? target_logit(i) : 0;
    }
  }

  float target_logit(long i) const {
    const float *x = p.x + i * p.features, *w = p.weight + p.targets[i] * p.features;
    V logit{};
    for (long k = 0; k < p.features; k += LANES)
      logit += F::rounded(columns(x, k)) * F::rounded(columns(w, k));
    return sum(logit) + p.bias[p.targets[i]];
  }

  // Whether the weights of a chunk can be read where they are.
  bool in_place(long first) const {
    return F::PAIR == 1 && width == p.features && first + chunk <= p.classes;
  }

  // Weights of a chunk; zeros, and a bias of nearly no probability, for what pads the last chunk.
  void pack_weights(long first, const Own& o) {
    for (long c = 0; c < chunk; c++)
      o.bias[c] = first + c < p.classes ? p.bias[first + c] : -1e30f;
    if (in_place(first)) return;
    for (long c = 0; c < chunk; c += 2)
      for (long k = 0; k < width; k += LANES)
        F::keep(weights(first + c, k), weights(first + c + 1, k), o.weight + c * width + k, width,
                o.weight_pairs + c * width, k);
  }

  V weights(long v, long k) const {
    return v < p.classes ? columns(p.weight + v * p.features, k) : V{};
  }

  // Exponentials, their sums, and the sums of weights that they weigh.
  void forward(int thread) {
    Own& o = own[thread];
    memset(o.d_features, 0, rows * width * sizeof(float));
    memset(o.z, 0, rows * sizeof(float));
    for (long c = thread; c < chunks; c += p.threads) {
      Number* e_here = e + c * chunk * rows;
      pack_weights(c * chunk, o);
      const Number* w = in_place(c * chunk) ? (const Number*)p.weight + c * chunk * width : o.weight;
      for (long i = 0; i < rows; i += PANEL) {
        V z0 = load(o.z + i), z1 = load(o.z + i + LANES);
        for (long v = 0; v < chunk; v += ROWS)
          exponentials_tile<F>(w + v * width, width, panels + i * pairs * F::PAIR, pairs,
                               o.bias + v, reference + i, z0, z1, e_here + v * rows,
                               o.e_pairs + v * rows, i, rows);
        store(o.z + i, z0);
        store(o.z + i + LANES, z1);
      }
      if (p.d_features)
        sums<F>(F::paired(e_here, o.e_pairs), F::PAIR, F::PAIR * rows,
                F::paired(w, o.weight_pairs), width, chunk / F::PAIR, o.d_features, p.rows);
    }
  }

  // Each row's loss; false where a sum is too large or no number, and nothing may be built on it.
  bool normalise(int thread) {
    for (long i = first_row(thread); i < first_row(thread + 1); i++) {
      float z = 0;
      for (int t = 0; t < p.threads; t++) z += own[t].z[i];
      inverse[i] = i < p.rows ? p.scale / z : 0;
      if (i >= p.rows) continue;
      if (!(z < MOST)) return false;
      p.nats[i] = std::log(z);
      p.target_logits[i] = reference[i];
      if (p.d_features) finish_features(i, z);
    }
    return true;
  }

  // The gradient of a row's features; and take the target off its probability.
  void finish_features(long i, float z) {
    e[p.targets[i] * rows + i] = F::number(1 - p.share * z);
    float *d = p.d_features + i * p.features, *weighed = own[0].d_features + i * width;
    const float* w = p.weight + p.targets[i] * p.features;
    for (int t = 1; t < p.threads; t++)
      for (long k = 0; k < width; k++) weighed[k] += own[t].d_features[i * width + k];
    for (long k = 0; k < p.features; k++)
      d[k] = weighed[k] * inverse[i] - p.scale * p.share * w[k];
  }

  // Features over their row's sum, scaled, PAIR rows together.
  void pack_scaled(int thread) {
    for (long i = first_row(thread); i < first_row(thread + 1); i += 2)
      for (long k = 0; k < width; k += LANES) {
        long at = i * width;
        Number* as_rows = F::PAIR == 1 ? scaled + at : own[thread].weight;
        F::keep(scaled_features(i, k), scaled_features(i + 1, k), as_rows + k, width, scaled + at,
                k);
      }
  }

  V scaled_features(long i, long k) const {
    return i < p.rows ? columns(p.x + i * p.features, k) * same(inverse[i]) : V{};
  }

  // Gradients of weights and biases.
  void backward(int thread) {
    const Own& o = own[thread];
    for (long c = thread; c < chunks; c += p.threads) {
      long first = c * chunk, classes = std::min(chunk, p.classes - first);
      const Number* e_here = e + first * rows;
      begin_weights(first, classes, o.d_weight);
      sums<F>(e_here, rows, F::PAIR, scaled, width, rows / F::PAIR, o.d_weight, classes);
      for (long v = 0; v < classes; v++) {
        float *d = p.d_weight + (first + v) * p.features, *of_bias = p.d_bias + first + v;
        const float* found = o.d_weight + v * width;
        float total = total_gradient(e_here + v * rows) - p.rows * smoothed(first + v);
        if (p.add) {
          for (long k = 0; k < p.features; k++) d[k] += found[k];
          *of_bias += total;
        } else {
          memcpy(d, found, p.features * sizeof(float));
          *of_bias = total;
        }
      }
    }
  }

  // What smoothing takes from every row alike.
  void begin_weights(long first, long classes, float* d_weight) const {
    memset(d_weight, 0, classes * width * sizeof(float));
    if (!p.unigram) return;
    for (long v = 0; v < classes; v++)
      for (long k = 0; k < p.features; k++)
        d_weight[v * width + k] = -smoothed(first + v) * p.feature_sums[k];
  }

  float smoothed(long v) const { return p.unigram ? p.scale * (1 - p.share) * p.unigram[v] : 0; }

  float total_gradient(const Number* of_class) const {
    V total{};
    for (long i = 0; i < rows; i += LANES) total += F::values(of_class + i) * load(inverse + i);
    return sum(total);
  }

  bool all_good() const {
    for (int t = 0; t < p.threads; t++)
      if (!own[t].good) return false;
    return true;
  }
};

template <class F> static long softmax_bytes(const Problem& p) {
  return Softmax<F>(p, Parts{nullptr}).bytes;
}

template <class F> static int softmax(const Problem& p, char* memory) {
  for (long i = 0; i < p.rows; i++)
    if (p.targets[i] < 0 || p.targets[i] >= p.classes) return 3;
  Softmax<F> layer(p, Parts{memory});
  bool given = in_threads(p.threads, [&](int thread) {
    layer.pack_features(thread);
#pragma omp barrier
    layer.forward(thread);
#pragma omp barrier
    layer.own[thread].good = layer.normalise(thread);
#pragma omp barrier
    if (!p.d_features || !layer.all_good()) return;
    layer.pack_scaled(thread);
#pragma omp barrier
    layer.backward(thread);
  });
  return !given ? 2 : layer.all_good() ? 0 : 1;
}
