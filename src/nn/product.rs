//! Matrix products in tiles, without allocation.
//!
//! The right factor is copied panel by panel into a buffer that stays in the first cache: a panel is
//! `DEPTH` rows high and `W` columns wide. `R` rows of the left factor times a panel are `R x W` sums
//! that stay in registers (Goto & van de Geijn 2008, section 4). The tiles are written in the vectors of a
//! [`Simd`]; what costs little is left to the compiler.
//!
//! Every sum runs over `p = 0, 1, ...` one after the other, so that a row of a product has the same bits
//! whatever rows stand beside it, and for every width of vectors that has a fused multiply-add.

use super::kernel::{Mode, SIDE, Simd};

/// The most rows of a panel: 256 x 16 numbers are 16 KiB, half of a first cache.
const DEPTH: usize = 256;

/// The widest panel.
const WIDEST: usize = 32;

/// The most rows of a tile.
const TALLEST: usize = 6;

/// From this many rows of the product on, copying the right factor into panels pays.
const ROWS_TO_PACK: usize = 5 * TALLEST;

/// The columns that the product of a single row works on at a time.
const STRIPE: usize = 64;

/// Which factor is read transposed. All are stored row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `A B` with `A: m x k`, `B: k x n`.
    Plain,
    /// `A B^T` with `B: n x k`.
    TransposedRight,
    /// `A^T B` with `A: k x m`.
    TransposedLeft,
}

/// The buffer of [`multiply`]: a panel of the right factor, and a tile that is wider than what is left of
/// the product. Allocated at the first use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panel(Vec<f32>);

impl Panel {
    /// The tile and the panel, which starts at a cache line.
    fn parts(&mut self) -> (&mut [f32], &mut [f32]) {
        const LINE: usize = 64 / size_of::<f32>();
        const TILE: usize = TALLEST * WIDEST;
        if self.0.is_empty() {
            self.0 = vec![0.0; TILE + DEPTH * WIDEST + LINE];
        }
        let (tile, rest) = self.0.split_at_mut(TILE);
        let skipped = rest.as_ptr().align_offset(4 * LINE).min(LINE);
        (tile, &mut rest[skipped..skipped + DEPTH * WIDEST])
    }
}

/// The factors of a product and its size.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    pub form: Form,
    /// `[m, k, n]`: the product is `m x n`, its sums run over `k`.
    pub size: [usize; 3],
    pub a: &'a [f32],
    pub b: &'a [f32],
}

/// `C (+)= A B` in tiles of 6 rows and `WIDE` columns, which must be two vectors, or `NARROW` columns, which
/// must be one.
#[inline(always)]
pub(super) fn multiply<S: Simd, const NARROW: usize, const WIDE: usize>(
    simd: S,
    factors: Factors<'_>,
    c: &mut [f32],
    mode: Mode,
    panel: &mut Panel,
) {
    const { assert!(NARROW == S::LANES && WIDE == 2 * S::LANES && WIDE <= WIDEST) };
    let Factors { form, size: [m, k, n], a, b } = factors;
    if mode == Mode::Overwrite && k == 0 {
        c.fill(0.0);
    }
    if m == 0 || k == 0 || n == 0 {
        return;
    }
    match form {
        _ if k == 1 => outer::<S>(a, b, c, mode),
        Form::Plain | Form::TransposedRight if n == 1 => dots::<S>(a, b, c, mode, panel),
        Form::TransposedRight if m == 1 => dots::<S>(b, a, c, mode, panel),
        // c^T = b^T A
        Form::TransposedLeft if n == 1 => row::<S>(b, a, c, mode),
        Form::Plain | Form::TransposedLeft if m == 1 => row::<S>(a, b, c, mode),
        _ if n <= NARROW => tiles::<S, 1, NARROW>(simd, factors, c, mode, panel),
        _ => tiles::<S, 2, WIDE>(simd, factors, c, mode, panel),
    }
}

/// `x y + z`
#[inline(always)]
fn multiply_add<S: Simd>(x: f32, y: f32, z: f32) -> f32 {
    if S::FUSED { x.mul_add(y, z) } else { x * y + z }
}

/// `C (+)= a b^T`
#[inline(always)]
fn outer<S: Simd>(a: &[f32], b: &[f32], c: &mut [f32], mode: Mode) {
    for (c, a) in c.chunks_exact_mut(b.len()).zip(a) {
        match mode {
            Mode::Overwrite => c.iter_mut().zip(b).for_each(|(c, b)| *c = a * b),
            Mode::Add => {
                c.iter_mut().zip(b).for_each(|(c, b)| *c = multiply_add::<S>(*a, *b, *c));
            }
        }
    }
}

/// `c (+)= A b`: the scalar product of every row with `b`, four rows at a time.
#[inline(always)]
fn dots<S: Simd>(a: &[f32], b: &[f32], c: &mut [f32], mode: Mode, panel: &mut Panel) {
    let (tile, _) = panel.parts();
    let k = b.len();
    let (fours, rest) = c.as_chunks_mut::<4>();
    let (four_rows, rest_rows) = a.split_at(4 * k * fours.len());
    for (c, rows) in fours.iter_mut().zip(four_rows.chunks_exact(4 * k)) {
        some_dots::<S, 4>(rows, b, c, mode, tile);
    }
    for (c, row) in rest.iter_mut().zip(rest_rows.chunks_exact(k)) {
        some_dots::<S, 1>(row, b, std::array::from_mut(c), mode, tile);
    }
}

/// `R` rows of [`dots`]. Eight sums a row, which vectorize, are added in pairs at the end.
#[inline(always)]
fn some_dots<S: Simd, const R: usize>(
    a: &[f32],
    b: &[f32],
    c: &mut [f32; R],
    mode: Mode,
    tile: &mut [f32],
) {
    const LANES: usize = 8;
    let k = b.len();
    let whole = k / LANES * LANES;
    let mut sums = [[0.0f32; LANES]; R];
    for p in (0..whole).step_by(LANES) {
        let y = array::<LANES>(&b[p..]);
        for r in 0..R {
            let x = array::<LANES>(&a[r * k + p..]);
            for i in 0..LANES {
                sums[r][i] = multiply_add::<S>(x[i], y[i], sums[r][i]);
            }
        }
    }
    // The sums must not be indexed by a variable, or they would not stay in registers: so they are put
    // down here first.
    let (tile, _) = tile.as_chunks_mut::<LANES>();
    for r in 0..R {
        for i in 0..LANES {
            tile[r][i] = sums[r][i];
        }
    }
    for r in 0..R {
        let mut sum = tile[r].iter().sum::<f32>();
        for p in whole..k {
            sum = multiply_add::<S>(a[r * k + p], b[p], sum);
        }
        c[r] = if mode == Mode::Add { c[r] + sum } else { sum };
    }
}

/// `c (+)= a B` for a single row `a`.
#[inline(always)]
fn row<S: Simd>(a: &[f32], b: &[f32], c: &mut [f32], mode: Mode) {
    let n = c.len();
    let mut first = 0;
    for a in a.chunks(DEPTH) {
        let b = &b[first * n..(first + a.len()) * n];
        let add = mode == Mode::Add || first > 0;
        let mut j = 0;
        while j < n {
            let width = match n - j {
                STRIPE.. => stripe::<S, STRIPE>(a, b, j, c, add),
                16.. => stripe::<S, 16>(a, b, j, c, add),
                8.. => stripe::<S, 8>(a, b, j, c, add),
                _ => stripe::<S, 1>(a, b, j, c, add),
            };
            j += width;
        }
        first += a.len();
    }
}

/// `W` columns of [`row`] from column `j` on; returns `W`.
#[inline(always)]
fn stripe<S: Simd, const W: usize>(
    a: &[f32],
    b: &[f32],
    j: usize,
    c: &mut [f32],
    add: bool,
) -> usize {
    let mut sums = [0.0f32; W];
    for (a, b) in a.iter().zip(b.chunks_exact(c.len())) {
        let b = &b[j..j + W];
        for i in 0..W {
            sums[i] = multiply_add::<S>(*a, b[i], sums[i]);
        }
    }
    let c = &mut c[j..j + W];
    for i in 0..W {
        c[i] = if add { c[i] + sums[i] } else { sums[i] };
    }
    W
}

/// A block of the product: the sums over `depth` terms from `first` on, for the columns `j..j + width`.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    depth: usize,
    j: usize,
    width: usize,
    add: bool,
}

#[inline(always)]
fn tiles<S: Simd, const V: usize, const W: usize>(
    simd: S,
    factors: Factors<'_>,
    c: &mut [f32],
    mode: Mode,
    panel: &mut Panel,
) {
    let [m, k, n] = factors.size;
    let (tile, panel) = panel.parts();
    let (panel, _) = panel.as_chunks_mut::<W>();
    for first in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - first);
        let add = mode == Mode::Add || first > 0;
        for j in (0..n).step_by(W) {
            let block = Block { first, depth, j, width: W.min(n - j), add };
            if m < ROWS_TO_PACK && block.width == W && factors.form != Form::TransposedRight {
                let b = &factors.b[first * n..(first + depth) * n];
                let right = b.chunks_exact(n).map(|row| array::<W>(&row[j..]));
                all_rows::<S, V, W>(simd, factors, block, right, c, tile);
            } else {
                pack(simd, factors, block, &mut panel[..depth]);
                all_rows::<S, V, W>(simd, factors, block, panel[..depth].iter(), c, tile);
            }
        }
    }
}

/// The first entries of a slice that is known to have them.
#[inline(always)]
fn array<const W: usize>(slice: &[f32]) -> &[f32; W] {
    slice.first_chunk().expect("the slice is as long as the array")
}

/// The first entries of a slice that is known to have them, to be changed.
#[inline(always)]
fn array_mut<const W: usize>(slice: &mut [f32]) -> &mut [f32; W] {
    slice.first_chunk_mut().expect("the slice is as long as the array")
}

/// Copies a block of the right factor, filled up with zeros, into a panel.
#[inline(always)]
fn pack<S: Simd, const W: usize>(
    simd: S,
    factors: Factors<'_>,
    block: Block,
    panel: &mut [[f32; W]],
) {
    let Factors { form, size: [_, k, n], b, .. } = factors;
    let Block { first, j, width, .. } = block;
    if form == Form::TransposedRight {
        return pack_transposed(simd, &b[j * k..(j + width) * k], k, first, panel);
    }
    for (to, row) in panel.iter_mut().zip(b[first * n..].chunks_exact(n)) {
        if width == W {
            *to = *array(&row[j..]);
        } else {
            to[..width].copy_from_slice(&row[j..j + width]);
            to[width..].fill(0.0);
        }
    }
}

/// Copies columns `first..` of the rows of `b` into a panel: each row becomes a column, what has no row
/// becomes zero. Squares of eight rows and columns go through registers.
#[inline(always)]
fn pack_transposed<S: Simd, const W: usize>(
    simd: S,
    b: &[f32],
    k: usize,
    first: usize,
    panel: &mut [[f32; W]],
) {
    let depth = panel.len();
    let row = |w: usize| &b[w * k + first..][..depth];
    let rows = b.len() / k;
    let whole = rows / SIDE * SIDE;
    for w in (0..whole).step_by(SIDE) {
        let rows: [&[f32]; SIDE] = std::array::from_fn(|q| row(w + q));
        let (squares, rest) = panel.as_chunks_mut::<SIDE>();
        for (index, square) in squares.iter_mut().enumerate() {
            let from = rows.map(|row| array(&row[index * SIDE..]));
            simd.transpose(from, square.each_mut().map(|row| array_mut(&mut row[w..])));
        }
        let done = depth - rest.len();
        for (p, to) in rest.iter_mut().enumerate() {
            for q in 0..SIDE {
                to[w + q] = rows[q][done + p];
            }
        }
    }
    for w in whole..rows {
        panel.iter_mut().zip(row(w)).for_each(|(to, x)| to[w] = *x);
    }
    if rows < W {
        panel.iter_mut().for_each(|to| to[rows..].fill(0.0));
    }
}

/// All rows of a block, in tiles of 6, then 4, 2 and 1: fewer rows take no less time than 4, since every sum
/// then waits for itself, so that 8 are two tiles of 4.
#[inline(always)]
fn all_rows<'a, S: Simd, const V: usize, const W: usize>(
    simd: S,
    factors: Factors<'_>,
    block: Block,
    right: impl Iterator<Item = &'a [f32; W]> + Clone,
    c: &mut [f32],
    tile: &mut [f32],
) {
    let m = factors.size[0];
    let mut i = 0;
    while i < m {
        let right = right.clone();
        i += match m - i {
            8 => some_rows::<S, 4, V, W>(simd, factors, block, i, right, c, tile),
            TALLEST.. => some_rows::<S, TALLEST, V, W>(simd, factors, block, i, right, c, tile),
            4.. => some_rows::<S, 4, V, W>(simd, factors, block, i, right, c, tile),
            2.. => some_rows::<S, 2, V, W>(simd, factors, block, i, right, c, tile),
            _ => some_rows::<S, 1, V, W>(simd, factors, block, i, right, c, tile),
        };
    }
}

/// `R` rows of a block from row `i` on; returns `R`.
#[inline(always)]
fn some_rows<'a, S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    factors: Factors<'_>,
    block: Block,
    i: usize,
    right: impl Iterator<Item = &'a [f32; W]>,
    c: &mut [f32],
    tile: &mut [f32],
) -> usize {
    let Factors { form, size: [m, k, n], a, .. } = factors;
    let Block { first, depth, j, .. } = block;
    let sums = if form == Form::TransposedLeft {
        let rows = a[first * m..].chunks_exact(m);
        sums::<S, R, V, W>(
            simd,
            rows.zip(right).map(|(row, b)| {
                let column = array::<R>(&row[i..]);
                (move |r: usize| column[r], b)
            }),
        )
    } else {
        let mut rows = [&a[..0]; R];
        for r in 0..R {
            rows[r] = &a[(i + r) * k + first..][..depth];
        }
        sums::<S, R, V, W>(
            simd,
            (0..depth).zip(right).map(|(p, b)| (move |r: usize| rows[r][p], b)),
        )
    };
    let c = &mut c[i * n + j..];
    if block.width == W {
        for r in 0..R {
            let row: &mut [f32; W] = array_mut(&mut c[r * n..]);
            for v in 0..V {
                let place = &mut row[v * S::LANES..];
                let sum = match block.add {
                    true => simd.add(simd.load(place), sums[r][v]),
                    false => sums[r][v],
                };
                simd.store(sum, place);
            }
        }
    } else {
        let (tile, _) = tile.as_chunks_mut::<W>();
        for r in 0..R {
            for v in 0..V {
                simd.store(sums[r][v], &mut tile[r][v * S::LANES..]);
            }
        }
        for (r, tile) in tile[..R].iter().enumerate() {
            let row = &mut c[r * n..][..block.width];
            row.iter_mut().zip(tile).for_each(|(c, sum)| {
                *c = if block.add { *c + sum } else { *sum };
            });
        }
    }
    R
}

/// The sum of the outer products of pairs of `R` and `W` numbers, in vectors. The first come one by one,
/// since each is spread over a vector right from where it lies.
#[inline(always)]
fn sums<'a, S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    pairs: impl Iterator<Item = (impl Fn(usize) -> f32, &'a [f32; W])>,
) -> [[S::Vector; V]; R] {
    let mut sums = [[simd.splat(0.0); V]; R];
    for (a, b) in pairs {
        let mut right = [simd.splat(0.0); V];
        for v in 0..V {
            right[v] = simd.load(&b[v * S::LANES..]);
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let left = simd.splat(a(r));
            for v in 0..V {
                sums[v] = simd.multiply_add(left, right[v], sums[v]);
            }
        }
    }
    sums
}
