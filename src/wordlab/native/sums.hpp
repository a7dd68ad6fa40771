// Products of matrices as sums of rows, tile by tile in registers. Included once for each
// instruction set.

// d[r, :] = keep d[r, :] + sum over i of e[i, r] m[i, :], for some results r.
//   e: PAIR numbers along i together, `next` apart from one such to the following, `beside` apart
//   from r to r + 1; m and d: rows of `width` columns, of m PAIR rows together.
template <class F> struct Sums {
  const typename F::Number* e;
  long beside, next;
  const typename F::Number* m;
  long width, pairs;
  float* d;
  float keep;

  void all(long results) const {
    long j = 0;
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES) columns<VECTORS>(j, results);
    few_columns<VECTORS - 1>(j, (width - j) / LANES, results);
  }

  template <int N> void few_columns(long j, long vectors, long results) const {
    if constexpr (N > 0) {
      if (vectors == N)
        columns<N>(j, results);
      else
        few_columns<N - 1>(j, vectors, results);
    }
  }

  template <int N> void columns(long j, long results) const {
    long r = 0;
    for (; r + SUMS <= results; r += SUMS) tile<SUMS, N>(r, j);
    few_rows<SUMS - 1, N>(r, j, results - r);
  }

  template <int R, int N> void few_rows(long r, long j, long rows) const {
    if constexpr (R > 0) {
      if (rows == R)
        tile<R, N>(r, j);
      else
        few_rows<R - 1, N>(r, j, rows);
    }
  }

  // R results and N vectors of columns. Sums begin at nothing and are added to d at the end: a sum
  // of short sums is rounded less than one long sum.
  template <int R, int N> void tile(long first, long j) const {
    V a[R][N] = {};
    const typename F::Number *left = e + first * beside, *right = m + F::PAIR * j;
    for (long i = 0; i < pairs; i++) {
      typename F::Row row[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) row[n] = F::row(right + F::PAIR * (i * width + n * LANES));
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        typename F::Row one = F::broadcast(left + i * next + r * beside);
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) a[r][n] = F::add(a[r][n], one, row[n]);
      }
    }
    for (int r = 0; r < R; r++)
      for (int n = 0; n < N; n++) {
        float* to = d + (first + r) * width + j + n * LANES;
        store(to, same(keep) * load(to) + a[r][n]);
      }
  }
};

template <class F>
static void sums(const typename F::Number* e, long beside, long next,
                 const typename F::Number* m, long width, long pairs, float* d, long results,
                 float keep = 1) {
  Sums<F>{e, beside, next, m, width, pairs, d, keep}.all(results);
}
