// A layer of LSTM cells over packed sequences, forward and backward in time; see kernels.cpp for
// what is computed. Included once for each instruction set.
//
// Sequences do not depend on one another: each thread walks through some of them from the first time
// to the last, and waits for nobody.

static inline void store_some(float* p, V x, long count) {
  if (count >= LANES)
    store(p, x);
  else
    for (long i = 0; i < count; i++) p[i] = x[i];
}

static inline V sigmoid(V x) {
  return same(1) / (same(1) + exponential(at_least(at_most(-x, 80.0f), -80.0f)));
}

template <class F> struct LstmLayer {
  typedef typename F::Number Number;
  const Lstm& p;
  long n, width, columns, inner, outer, bytes;
  Number *across, *along;  // the weights, for the way forward and for the way back
  struct Own {             // of a thread
    Number* operand;
    float *sums, *h, *c;
  } own[MOST_THREADS];

  LstmLayer(const Lstm& problem, Parts parts) : p(problem) {
    n = p.units;
    width = up(4 * n, LANES);
    columns = up(n, LANES);
    inner = up(n, F::PAIR);
    outer = up(4 * n, F::PAIR);
    across = parts.take<Number>(columns * width);
    along = parts.take<Number>(outer * columns);
    for (int t = 0; t < p.threads; t++) {
      long lanes = last_lane(t) - last_lane(t - 1);
      own[t] = {parts.take<Number>(lanes * width), parts.take<float>(lanes * width),
                parts.take<float>(lanes * columns), parts.take<float>(lanes * columns)};
    }
    bytes = parts.used;
  }

  long last_lane(int thread) const { return p.sequences * (thread + 1) / p.threads; }

  // W' with PAIR rows together: each thread some rows, a cache line of W at a time.
  void pack_across(int thread) {
    long first = columns / LANES * thread / p.threads * LANES;
    long last = columns / LANES * (thread + 1) / p.threads * LANES;
    for (long from = first; from < last; from += LANES)
      for (long r = 0; r < width; r++)
        for (long k = from; k < from + LANES; k++)
          across[k / F::PAIR * F::PAIR * width + r * F::PAIR + k % F::PAIR] =
              F::number(k < n && r < 4 * n ? p.weight[r * n + k] : 0);
  }

  // W with PAIR rows together.
  void pack_along(int thread) {
    long first = outer / F::PAIR * thread / p.threads * F::PAIR;
    long last = outer / F::PAIR * (thread + 1) / p.threads * F::PAIR;
    for (long r = first; r < last; r++)
      for (long k = 0; k < columns; k++)
        along[r / F::PAIR * F::PAIR * columns + k * F::PAIR + r % F::PAIR] =
            F::number(k < n && r < 4 * n ? p.weight[r * n + k] : 0);
  }

  // A row as operands, with zeros behind.
  static void pack(const float* row, long count, Number* to) {
    for (long k = 0; k < count; k += LANES) F::keep(load_some(row + k, count - k), to + k);
  }

  void forward(int thread) {
    const Own& o = own[thread];
    long begin = last_lane(thread - 1), first = 0, before = 0;
    for (long t = 0; t < p.times; t++) {
      long lanes = std::min(last_lane(thread), (long)p.steps[t]) - begin;
      if (lanes <= 0) return;
      const float* h = t ? p.outputs + (before + begin) * n : p.h + begin * n;
      const float* c = t ? p.cells + (before + begin) * n : p.c + begin * n;
      long here = first + begin;
      memcpy(p.before + here * n, h, lanes * n * sizeof(float));
      for (long i = 0; i < lanes; i++) {
        pack(h + i * n, n, o.operand + i * columns);
        memcpy(o.sums + i * width, p.gates + (here + i) * 4 * n, 4 * n * sizeof(float));
      }
      sums<F>(o.operand, columns, F::PAIR, across, width, inner / F::PAIR, o.sums, lanes);
      for (long i = 0; i < lanes; i++) finish(o.sums + i * width, c + i * n, here + i);
      before = first;
      first += p.steps[t];
    }
  }

  void finish(const float* sums, const float* c, long at) {
    float* gates = p.gates + at * 4 * n;
    for (long k = 0; k < n; k += LANES) {
      long count = n - k;
      V i = sigmoid(load_some(sums + k, count)), f = sigmoid(load_some(sums + n + k, count));
      V o = sigmoid(load_some(sums + 2 * n + k, count));
      V g = hyperbolic_tangent(load_some(sums + 3 * n + k, count));
      V cell = f * load_some(c + k, count) + i * g, squashed = hyperbolic_tangent(cell);
      store_some(gates + k, i, count);
      store_some(gates + n + k, f, count);
      store_some(gates + 2 * n + k, o, count);
      store_some(gates + 3 * n + k, g, count);
      store_some(p.cells + at * n + k, cell, count);
      store_some(p.tanhs + at * n + k, squashed, count);
      store_some(p.outputs + at * n + k, o * squashed, count);
    }
  }

  void backward(int thread) {
    const Own& o = own[thread];
    long begin = last_lane(thread - 1), all = last_lane(thread) - begin, first = p.tokens;
    memset(o.h, 0, all * columns * sizeof(float));
    memset(o.c, 0, all * columns * sizeof(float));
    for (long t = p.times - 1; t >= 0; t--) {
      first -= p.steps[t];
      long lanes = std::min(last_lane(thread), (long)p.steps[t]) - begin, here = first + begin;
      if (lanes <= 0) continue;
      const float* c = t ? p.cells + (here - p.steps[t - 1]) * n : p.c + begin * n;
      for (long i = 0; i < lanes; i++) {
        differentiate(o.h + i * columns, o.c + i * columns, c + i * n, here + i);
        pack(p.d_gates + (here + i) * 4 * n, 4 * n, o.operand + i * width);
      }
      memset(o.h, 0, lanes * columns * sizeof(float));
      sums<F>(o.operand, width, F::PAIR, along, columns, outer / F::PAIR, o.h, lanes);
    }
    for (long i = 0; i < all; i++) {
      memcpy(p.d_h + (begin + i) * n, o.h + i * columns, n * sizeof(float));
      memcpy(p.d_c + (begin + i) * n, o.c + i * columns, n * sizeof(float));
    }
  }

  // The gradients of a token's sums; d_c becomes that of the cell before.
  void differentiate(const float* d_h, float* d_c, const float* c, long at) {
    const float* gates = p.gates + at * 4 * n;
    float* d = p.d_gates + at * 4 * n;
    for (long k = 0; k < n; k += LANES) {
      long count = n - k;
      V i = load_some(gates + k, count), f = load_some(gates + n + k, count);
      V o = load_some(gates + 2 * n + k, count), g = load_some(gates + 3 * n + k, count);
      V squashed = load_some(p.tanhs + at * n + k, count);
      V of_h = load(d_h + k), of_c = load(d_c + k);
      if (p.d_outputs) of_h += load_some(p.d_outputs + at * n + k, count);
      if (p.d_cells) of_c += load_some(p.d_cells + at * n + k, count);
      of_c += of_h * o * (same(1) - squashed * squashed);
      store_some(d + k, of_c * g * i * (same(1) - i), count);
      store_some(d + n + k, of_c * load_some(c + k, count) * f * (same(1) - f), count);
      store_some(d + 2 * n + k, of_h * squashed * o * (same(1) - o), count);
      store_some(d + 3 * n + k, of_c * i * (same(1) - g * g), count);
      store(d_c + k, of_c * f);
    }
  }
};

template <class F> static long lstm_bytes(const Lstm& p) {
  return LstmLayer<F>(p, Parts{nullptr}).bytes;
}

template <class F> static int lstm(const Lstm& p, char* memory, bool back) {
  LstmLayer<F> layer(p, Parts{memory});
  return !in_threads(p.threads, [&](int thread) {
    if (back)
      layer.pack_along(thread);
    else
      layer.pack_across(thread);
#pragma omp barrier
    if (back)
      layer.backward(thread);
    else
      layer.forward(thread);
  });
}
