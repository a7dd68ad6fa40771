// Training of a window tagger, step after step; see kernels.cpp for what is computed. Included once
// for each instruction set.
//
// Each matrix of weights is kept both ways round, so that all products are sums of whole rows. Both
// are updated by the same sums in the same order, and stay equal to the bit.

static inline V hyperbolic_tangent(V x) {
  V e = exponential(at_least(at_most(2 * x, 40.0f), -40.0f));
  return same(1) - same(2) / (e + same(1));
}

struct WindowNet {
  const Window& p;
  long inputs, padded_inputs, hidden, tags, bytes;
  float *w, *w_across, *u, *u_across, *b, *c;         // rows padded with zeros
  float *x, *h, *d_h, *scores, *d_scores, *d_inputs;  // of a batch

  WindowNet(const Window& problem, Parts parts) : p(problem) {
    inputs = p.places * p.length;
    padded_inputs = up(inputs, LANES);
    hidden = up(p.hidden, LANES);
    tags = up(p.tags, LANES);
    w = parts.take<float>(p.hidden * padded_inputs);
    w_across = parts.take<float>(inputs * hidden);
    u = parts.take<float>(p.tags * hidden);
    u_across = parts.take<float>(p.hidden * tags);
    b = parts.take<float>(hidden);
    c = parts.take<float>(tags);
    x = parts.take<float>(p.batch * padded_inputs);
    h = parts.take<float>(p.batch * hidden);
    d_h = parts.take<float>(p.batch * hidden);
    scores = parts.take<float>(p.batch * tags);
    d_scores = parts.take<float>(p.batch * tags);
    d_inputs = parts.take<float>(p.batch * padded_inputs);
    bytes = parts.used;
  }

  void train() {
    both_ways(p.w, p.hidden, inputs, w, w_across);
    both_ways(p.u, p.tags, p.hidden, u, u_across);
    padded(p.b, p.hidden, b, hidden);
    padded(p.c, p.tags, c, tags);
    for (long first = 0, step = 0; first < p.words; first += p.batch, step++) {
      long count = std::min(p.batch, p.words - first);
      read(first, count);
      forward(count);
      float rate = p.rates[step], scale = p.mean ? rate / count : rate;
      p.nats[step] = loss(first, count, scale);
      backward(count);
      update(first, count, 1 - rate * p.l2);
    }
    for (long r = 0; r < p.hidden; r++)
      memcpy(p.w + r * inputs, w + r * padded_inputs, inputs * sizeof(float));
    for (long r = 0; r < p.tags; r++)
      memcpy(p.u + r * p.hidden, u + r * hidden, p.hidden * sizeof(float));
    memcpy(p.b, b, p.hidden * sizeof(float));
    memcpy(p.c, c, p.tags * sizeof(float));
  }

  static void padded(const float* from, long count, float* to, long width) {
    for (long k = 0; k < width; k++) to[k] = k < count ? from[k] : 0;
  }

  static void both_ways(const float* from, long rows, long columns, float* to, float* across) {
    for (long r = 0; r < rows; r++)
      padded(from + r * columns, columns, to + r * up(columns, LANES), up(columns, LANES));
    for (long k = 0; k < columns; k++)
      for (long r = 0; r < up(rows, LANES); r++)
        across[k * up(rows, LANES) + r] = r < rows ? from[r * columns + k] : 0;
  }

  // The vectors of each word's window.
  void read(long first, long count) {
    for (long i = 0; i < count; i++) {
      float* to = x + i * padded_inputs;
      for (long at = 0; at < p.places; at++)
        memcpy(to + at * p.length, p.table + p.rows[(first + i) * p.places + at] * p.length,
               p.length * sizeof(float));
      for (long k = inputs; k < padded_inputs; k++) to[k] = 0;
    }
  }

  static void begin(float* rows, const float* with, long width, long count) {
    for (long i = 0; i < count; i++) memcpy(rows + i * width, with, width * sizeof(float));
  }

  void forward(long count) {
    begin(h, b, hidden, count);
    sums<Float32>(x, padded_inputs, 1, w_across, hidden, inputs, h, count);
    for (long k = 0; k < count * hidden; k += LANES) store(h + k, hyperbolic_tangent(load(h + k)));
    begin(scores, c, tags, count);
    sums<Float32>(h, hidden, 1, u_across, tags, p.hidden, scores, count);
  }

  // The nats of the batch; and what a step takes off each score, -scale (p - y).
  double loss(long first, long count, float scale) {
    double nats = 0;
    for (long i = 0; i < count; i++) {
      const float* s = scores + i * tags;
      float *d = d_scores + i * tags, most = *std::max_element(s, s + p.tags), total = 0;
      long gold = p.gold[first + i];
      for (long k = 0; k < tags; k += LANES)
        store(d + k, exponential(at_least(load(s + k) - same(most), -87)));
      for (long k = 0; k < p.tags; k++) total += d[k];
      for (long k = 0; k < tags; k++)
        d[k] = k < p.tags && gold >= 0 ? -scale * (d[k] / total - (k == gold)) : 0;
      if (gold >= 0) nats += std::log((double)total) - (s[gold] - most);
    }
    return nats;
  }

  // What a step takes off the hidden units' sums and off the inputs.
  void backward(long count) {
    memset(d_h, 0, count * hidden * sizeof(float));
    sums<Float32>(d_scores, tags, 1, u, hidden, p.tags, d_h, count);
    for (long k = 0; k < count * hidden; k += LANES) {
      V units = load(h + k);
      store(d_h + k, load(d_h + k) * (same(1) - units * units));
    }
    memset(d_inputs, 0, count * padded_inputs * sizeof(float));
    sums<Float32>(d_h, hidden, 1, w, padded_inputs, p.hidden, d_inputs, count);
  }

  void update(long first, long count, float keep) {
    sums<Float32>(d_h, 1, hidden, x, padded_inputs, count, w, p.hidden, keep);
    sums<Float32>(x, 1, padded_inputs, d_h, hidden, count, w_across, inputs, keep);
    sums<Float32>(d_scores, 1, tags, h, hidden, count, u, p.tags, keep);
    sums<Float32>(h, 1, hidden, d_scores, tags, count, u_across, p.hidden, keep);
    for (long i = 0; i < count; i++) {
      for (long k = 0; k < hidden; k++) b[k] += d_h[i * hidden + k];
      for (long k = 0; k < tags; k++) c[k] += d_scores[i * tags + k];
      for (long at = 0; at < p.places; at++) {
        float* row = p.table + p.rows[(first + i) * p.places + at] * p.length;
        const float* d = d_inputs + i * padded_inputs + at * p.length;
        for (long k = 0; k < p.length; k++) row[k] += d[k];
      }
    }
  }
};
