//! Matrix products and fused loops over slices: the floor that the networks stand on.
//!
//! All matrices are row-major. Every loop is written so that the compiler vectorizes it, and compiled
//! twice: for the baseline of the target, and for AVX2 with FMA where the processor has them; products
//! ([`super::product`]) also for AVX-512.
//! Lengths are invariants of this crate, so a wrong one panics.

use super::Activation;
use super::product::{Factors, Form, Panel, multiply};

/// How a product treats what the destination holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `C = A B`
    Overwrite,
    /// `C = C + A B`
    Add,
}

/// `C (+)= A B` with `A: m x k`, `B: k x n`, `C: m x n`.
pub(crate) fn product(
    size: [usize; 3],
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    mode: Mode,
    panel: &mut Panel,
) {
    multiplied(Factors { form: Form::Plain, size, a, b }, c, mode, panel);
}

/// `C = A B^T` with `A: m x k`, `B: n x k`, `C: m x n`.
pub(crate) fn product_transposed_right(
    size: [usize; 3],
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    panel: &mut Panel,
) {
    multiplied(Factors { form: Form::TransposedRight, size, a, b }, c, Mode::Overwrite, panel);
}

/// `C = A^T B` with `A: k x m`, `B: k x n`, `C: m x n`.
pub(crate) fn product_transposed_left(
    size: [usize; 3],
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    panel: &mut Panel,
) {
    multiplied(Factors { form: Form::TransposedLeft, size, a, b }, c, Mode::Overwrite, panel);
}

/// The product, with the widest vectors that the processor has.
fn multiplied(factors: Factors<'_>, c: &mut [f32], mode: Mode, panel: &mut Panel) {
    let [m, k, n] = factors.size;
    assert_eq!(factors.a.len(), m * k, "the left factor must be {m} x {k}");
    assert_eq!(factors.b.len(), k * n, "the right factor must be {k} x {n}");
    assert_eq!(c.len(), m * n, "the product must be {m} x {n}");
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn widest(
            simd: x86::Avx512,
            factors: Factors<'_>,
            c: &mut [f32],
            mode: Mode,
            panel: &mut Panel,
        ) {
            multiply::<_, 16, 32>(simd, factors, c, mode, panel);
        }
        #[target_feature(enable = "avx2,fma")]
        fn wide(
            simd: x86::Avx2,
            factors: Factors<'_>,
            c: &mut [f32],
            mode: Mode,
            panel: &mut Panel,
        ) {
            multiply::<_, 8, 16>(simd, factors, c, mode, panel);
        }
        if let Some(simd) = x86::Avx512::new() {
            // SAFETY: `widest` is a safe function that needs AVX-512F, which the processor has, or there
            // would be no `simd`.
            return unsafe { widest(simd, factors, c, mode, panel) };
        }
        if let Some(simd) = x86::Avx2::new() {
            // SAFETY: `wide` is a safe function that needs AVX2 and FMA, which the processor has, or
            // there would be no `simd`.
            return unsafe { wide(simd, factors, c, mode, panel) };
        }
    }
    multiply::<_, 4, 8>(Portable, factors, c, mode, panel);
}

/// The vectors that products are written in. A value of it is the proof that the processor has them.
pub(super) trait Simd: Copy {
    /// Numbers side by side.
    type Vector: Copy;
    /// How many they are.
    const LANES: usize;
    /// Whether the processor multiplies and adds in one instruction; where it does not, asking for that
    /// would be slow.
    const FUSED: bool;
    /// The same number in all lanes.
    fn splat(self, x: f32) -> Self::Vector;
    /// The first numbers of a slice, which must be long enough.
    fn load(self, from: &[f32]) -> Self::Vector;
    /// Overwrites the first numbers of a slice, which must be long enough.
    fn store(self, x: Self::Vector, to: &mut [f32]);
    /// `x + y`
    fn add(self, x: Self::Vector, y: Self::Vector) -> Self::Vector;
    /// `x y + z`
    fn multiply_add(self, x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector;
    /// Writes the columns of a square as rows.
    fn transpose(self, from: [&[f32; SIDE]; SIDE], to: [&mut [f32; SIDE]; SIDE]);
}

/// The rows and columns of the squares that are transposed in registers.
pub(super) const SIDE: usize = 8;

/// Vectors of four, which every processor that has vectors has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl Simd for Portable {
    type Vector = [f32; 4];
    const LANES: usize = 4;
    const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 4] {
        [x; 4]
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> [f32; 4] {
        [from[0], from[1], from[2], from[3]]
    }

    #[inline(always)]
    fn store(self, x: [f32; 4], to: &mut [f32]) {
        to[..4].copy_from_slice(&x);
    }

    #[inline(always)]
    fn add(self, x: [f32; 4], y: [f32; 4]) -> [f32; 4] {
        [x[0] + y[0], x[1] + y[1], x[2] + y[2], x[3] + y[3]]
    }

    #[inline(always)]
    fn multiply_add(self, x: [f32; 4], y: [f32; 4], z: [f32; 4]) -> [f32; 4] {
        let one = |i: usize| {
            if Self::FUSED { x[i].mul_add(y[i], z[i]) } else { x[i] * y[i] + z[i] }
        };
        [one(0), one(1), one(2), one(3)]
    }

    #[inline(always)]
    fn transpose(self, from: [&[f32; SIDE]; SIDE], to: [&mut [f32; SIDE]; SIDE]) {
        for (p, to) in to.into_iter().enumerate() {
            for q in 0..SIDE {
                to[q] = from[q][p];
            }
        }
    }
}

/// The vectors of x86-64.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{SIDE, Simd};

    /// Transposes by exchanging pairs, then pairs of pairs, then halves.
    #[inline]
    #[target_feature(enable = "avx")]
    fn transpose(from: [&[f32; SIDE]; SIDE], to: [&mut [f32; SIDE]; SIDE]) {
        // SAFETY: reads the eight numbers of an array, without alignment.
        let row = |q: usize| unsafe { _mm256_loadu_ps(from[q].as_ptr()) };
        let pairs: [__m256; SIDE] = std::array::from_fn(|i| {
            let (x, y) = (row(i / 2 * 2), row(i / 2 * 2 + 1));
            if i % 2 == 0 { _mm256_unpacklo_ps(x, y) } else { _mm256_unpackhi_ps(x, y) }
        });
        let fours: [__m256; SIDE] = std::array::from_fn(|i| {
            let (x, y) = (pairs[i / 4 * 4 + i % 4 / 2], pairs[i / 4 * 4 + i % 4 / 2 + 2]);
            if i % 2 == 0 {
                _mm256_shuffle_ps::<0b01_00_01_00>(x, y)
            } else {
                _mm256_shuffle_ps::<0b11_10_11_10>(x, y)
            }
        });
        for (p, to) in to.into_iter().enumerate() {
            let (x, y) = (fours[p % 4], fours[p % 4 + 4]);
            let column = if p < 4 {
                _mm256_permute2f128_ps::<0x20>(x, y)
            } else {
                _mm256_permute2f128_ps::<0x31>(x, y)
            };
            // SAFETY: writes the eight numbers of an array that is borrowed mutably, without alignment.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), column) };
        }
    }

    /// Defines a kind of vectors: its name and lanes, the features that it needs, its instructions.
    macro_rules! simd {
        (
            $(#[$doc:meta])* $name:ident, $vector:ty, $lanes:literal, [$($feature:tt),*],
            $splat:ident, $load:ident, $store:ident, $add:ident, $multiply_add:ident
        ) => {
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub(crate) struct $name(());

            impl $name {
                /// Exists only where the processor has the instructions.
                #[inline(always)]
                pub fn new() -> Option<Self> {
                    ($(is_x86_feature_detected!($feature))&&*).then_some(Self(()))
                }
            }

            impl Simd for $name {
                type Vector = $vector;
                const LANES: usize = $lanes;
                const FUSED: bool = true;

                #[inline(always)]
                fn splat(self, x: f32) -> $vector {
                    // SAFETY: needs the features above, which the processor has where `self` exists.
                    unsafe { $splat(x) }
                }

                #[inline(always)]
                fn load(self, from: &[f32]) -> $vector {
                    assert!(from.len() >= $lanes);
                    // SAFETY: needs the features above, which the processor has where `self` exists. It
                    // reads as many numbers as there are lanes, without alignment; so many were just
                    // seen to be in the slice.
                    unsafe { $load(from.as_ptr()) }
                }

                #[inline(always)]
                fn store(self, x: $vector, to: &mut [f32]) {
                    assert!(to.len() >= $lanes);
                    // SAFETY: as for `load`; the slice is borrowed mutably.
                    unsafe { $store(to.as_mut_ptr(), x) }
                }

                #[inline(always)]
                fn add(self, x: $vector, y: $vector) -> $vector {
                    // SAFETY: needs the features above, which the processor has where `self` exists.
                    unsafe { $add(x, y) }
                }

                #[inline(always)]
                fn multiply_add(self, x: $vector, y: $vector, z: $vector) -> $vector {
                    // SAFETY: needs the features above, which the processor has where `self` exists.
                    unsafe { $multiply_add(x, y, z) }
                }

                #[inline(always)]
                fn transpose(self, from: [&[f32; SIDE]; SIDE], to: [&mut [f32; SIDE]; SIDE]) {
                    // SAFETY: `transpose` is a safe function that needs AVX, which a processor with the
                    // features above has.
                    unsafe { transpose(from, to) }
                }
            }
        };
    }

    simd!(
        /// AVX2 with FMA.
        Avx2, __m256, 8, ["avx2", "fma"],
        _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps
    );
    simd!(
        /// AVX-512F.
        Avx512, __m512, 16, ["avx512f"],
        _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps
    );
}

/// `C = A B` by the crate gemm, either factor read transposed where asked: what the products above are
/// measured against. It allocates in most calls.
#[doc(hidden)]
pub fn product_by_gemm(
    [m, k, n]: [usize; 3],
    (a, a_transposed): (&[f32], bool),
    (b, b_transposed): (&[f32], bool),
    c: &mut [f32],
) {
    assert_eq!(a.len(), m * k, "the left factor must be {m} x {k}");
    assert_eq!(b.len(), k * n, "the right factor must be {k} x {n}");
    assert_eq!(c.len(), m * n, "the product must be {m} x {n}");
    // The strides of rows and columns.
    let strides = |transposed: bool, rows: usize, columns: usize| {
        if transposed { (1, rows as isize) } else { (columns as isize, 1) }
    };
    let (a_row, a_column) = strides(a_transposed, m, k);
    let (b_row, b_column) = strides(b_transposed, k, n);
    // SAFETY: the strides are (columns, 1) or (1, rows) of a dense matrix, so with the lengths just checked
    // every offset i * row + j * column with i, j in range is inside its slice. `c` is borrowed mutably
    // and therefore overlaps neither `a` nor `b`; all three hold initialized f32, and gemm reads `c` only
    // where `read_dst`, the argument after its strides, is set.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Defines a function twice, for the baseline and for AVX2 with FMA, and picks at run time.
///
/// The body is an `#[inline(always)]` function, so it is compiled with the features of the function
/// that it lands in. Where `fused` stands before it, it has a constant that says whether multiplying and
/// adding is one instruction there.
macro_rules! vectorized {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? = fused $body:ident) => {
        vectorized! {
            $(#[$doc])* $visibility fn $name($($argument: $type),*) $(-> $out)? = [$body::<true>, $body::<{ FUSED }>]
        }
    };
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? = $body:ident) => {
        vectorized! {
            $(#[$doc])* $visibility fn $name($($argument: $type),*) $(-> $out)? = [$body, $body]
        }
    };
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? = [$wide:expr, $baseline:expr]) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($argument: $type),*) $(-> $out)? {
                    $wide($($argument),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: `wide` is a safe function that needs AVX2 and FMA, and the processor
                    // was just seen to have both.
                    return unsafe { wide($($argument),*) };
                }
            }
            $baseline($($argument),*)
        }
    };
}

/// Whether the baseline multiplies and adds in one instruction.
const FUSED: bool = Portable::FUSED;

/// `x y + z`
#[inline(always)]
fn multiply_add<const FUSED: bool>(x: f32, y: f32, z: f32) -> f32 {
    if FUSED { x.mul_add(y, z) } else { x * y + z }
}

/// The polynomial with the given coefficients, highest power first (Horner's scheme).
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = multiply_add::<FUSED>(sum, x, *coefficient);
    }
    sum
}

/// The largest absolute error of [`tanh_in_place`] against the true hyperbolic tangent.
pub const TANH_ERROR: f32 = 4e-7;

/// `tanh x = 1 - 2 / (e^(2x) + 1)` for x >= 0, odd for x < 0. From |x| = 10 on the result is 1 in f32.
#[inline(always)]
fn tanh<const FUSED: bool>(x: f32) -> f32 {
    // A comparison that NaN fails, so that NaN passes through where `f32::min` would hide it.
    let size = if x.abs() > 10.0 { 10.0 } else { x.abs() };
    (1.0 - 2.0 / (exp::<FUSED>(2.0 * size) + 1.0)).copysign(x)
}

#[inline(always)]
fn tanh_body<const FUSED: bool>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = tanh::<FUSED>(*x));
}

vectorized! {
    /// The hyperbolic tangent of every entry, to an absolute error of [`TANH_ERROR`].
    ///
    /// ```
    /// let mut x = [0.5];
    /// hyperq::nn::tanh_in_place(&mut x);
    /// assert!((x[0] - 0.5f32.tanh()).abs() < 1e-6);
    /// ```
    pub fn tanh_in_place(x: &mut [f32]) = fused tanh_body
}

/// `e^x` for `x` in `[-87, 88]`, where it is a normal number; what lies outside is moved there, and NaN
/// stays.
///
/// `e^x = 2^k 2^f`: adding 1.5 * 2^23 rounds `x / ln 2` to the integer `k` in the low bits of the
/// mantissa, from where a shift makes it an exponent. `ln 2` in two parts keeps `f ln 2` exact, and the
/// exponential of that is its Taylor polynomial of degree 7 (relative error (ln 2 / 2)^8 / 8! = 5e-9).
#[inline(always)]
fn exp<const FUSED: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    /// `ln 2` to nine bits, so that its product with `k` is exact, and the rest.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    const TAYLOR: [f32; 8] =
        [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let k = rounded - ROUND;
    let rest = multiply_add::<FUSED>(-k, LN_2[1], multiply_add::<FUSED>(-k, LN_2[0], x));
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3f80_0000));
    polynomial::<FUSED, 8>(rest, TAYLOR) * power
}

#[inline(always)]
fn exp_body<const FUSED: bool>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = exp::<FUSED>(*x));
}

vectorized! {
    /// `e^x` of every entry, to a relative error of 3e-7; `x` outside `[-87, 88]` is moved there.
    pub(crate) fn exp_in_place(x: &mut [f32]) = fused exp_body
}

/// `(1 + r + r^2 / 3) e^-r` with `r = sqrt(5 x)`. From r = 80 on, where it is 4e-32, it stays as it is.
#[inline(always)]
fn matern<const FUSED: bool>(x: f32) -> f32 {
    let r = (5.0 * x).sqrt();
    let r = if r > 80.0 { 80.0 } else { r };
    (1.0 + r + r * r / 3.0) * exp::<FUSED>(-r)
}

#[inline(always)]
fn matern_body<const FUSED: bool>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = matern::<FUSED>(*x));
}

vectorized! {
    /// The Matern covariance with nu = 5/2 of squared scaled distances, in place (Rasmussen & Williams
    /// 2006, equation 4.17), to a relative error of 1e-6 + 1e-7 r.
    pub(crate) fn matern_in_place(x: &mut [f32]) = fused matern_body
}

#[inline(always)]
fn add_scaled_body(x: &[f32], scale: f32, into: &mut [f32]) {
    into.iter_mut().zip(x).for_each(|(sum, x)| *sum += scale * x);
}

vectorized! {
    /// `into <- into + scale x`
    pub(crate) fn add_scaled(x: &[f32], scale: f32, into: &mut [f32]) = add_scaled_body
}

#[inline(always)]
fn square_distances_body(from: f32, to: &[f32], scale: f32, into: &mut [f32]) {
    into.iter_mut().zip(to).for_each(|(sum, to)| {
        let d = from - to;
        *sum += scale * (d * d);
    });
}

vectorized! {
    /// `into <- into + scale (from - to)^2`
    pub(crate) fn square_distances(from: f32, to: &[f32], scale: f32, into: &mut [f32]) = square_distances_body
}

/// `log(1 - tanh(u)^2) = 2 (log 2 - |u| - log(1 + e^(-2 |u|)))`, exact where `1 - tanh(u)^2` rounds to 0.
///
/// `log(1 + e) = 2 artanh(s)` with `s = e / (2 + e)` in `[0, 1/3]`, by its Taylor series up to `s^13`
/// (relative error (1/3)^14 / 15 = 1.4e-8).
#[inline(always)]
fn log_tanh_slope<const FUSED: bool>(u: f32) -> f32 {
    const SERIES: [f32; 7] =
        [2.0 / 13.0, 2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0];
    let size = u.abs();
    let e = exp::<FUSED>(-2.0 * size);
    let s = e / (2.0 + e);
    2.0 * (std::f32::consts::LN_2 - size - s * polynomial::<FUSED, 7>(s * s, SERIES))
}

#[inline(always)]
fn log_tanh_slopes_body<const FUSED: bool>(u: &[f32], into: &mut [f32]) {
    u.iter().zip(into).for_each(|(u, into)| *into = log_tanh_slope::<FUSED>(*u));
}

vectorized! {
    /// `log(1 - tanh(u)^2)` of every entry, the logarithm of the derivative of tanh, to an absolute error
    /// of 1e-6 or, where it is larger, a relative one of 3e-7.
    pub(crate) fn log_tanh_slopes(u: &[f32], into: &mut [f32]) = fused log_tanh_slopes_body
}

#[inline(always)]
fn add_bias_body(z: &mut [f32], bias: &[f32]) {
    for row in z.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(z, b)| *z += b);
    }
}

vectorized! {
    /// Adds the bias to every row.
    pub(crate) fn add_bias(z: &mut [f32], bias: &[f32]) = add_bias_body
}

#[inline(always)]
fn activate_body<const FUSED: bool>(z: &mut [f32], bias: &[f32], activation: Activation) {
    for row in z.chunks_exact_mut(bias.len()) {
        match activation {
            Activation::Relu => {
                row.iter_mut().zip(bias).for_each(|(z, b)| *z = relu(*z + b));
            }
            Activation::Tanh => {
                row.iter_mut().zip(bias).for_each(|(z, b)| *z = tanh::<FUSED>(*z + b));
            }
        }
    }
}

/// `max(x, 0)`, but NaN stays NaN so that a broken network shows.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

vectorized! {
    /// `z <- activation(z + bias)`, row by row.
    pub(crate) fn activate(z: &mut [f32], bias: &[f32], activation: Activation) = fused activate_body
}

/// The derivative of the activation, from its value.
#[inline(always)]
fn slope(activation: Activation, h: f32) -> f32 {
    match activation {
        Activation::Relu => {
            if h > 0.0 {
                1.0
            } else {
                0.0
            }
        }
        Activation::Tanh => 1.0 - h * h,
    }
}

#[inline(always)]
fn deactivate_body(d: &mut [f32], h: &[f32], activation: Activation) {
    match activation {
        Activation::Relu => {
            d.iter_mut().zip(h).for_each(|(d, h)| *d *= slope(Activation::Relu, *h));
        }
        Activation::Tanh => {
            d.iter_mut().zip(h).for_each(|(d, h)| *d *= slope(Activation::Tanh, *h));
        }
    }
}

vectorized! {
    /// `d <- d * activation'`, the derivative taken from the activations `h`.
    pub(crate) fn deactivate(d: &mut [f32], h: &[f32], activation: Activation) = deactivate_body
}

/// `1 / (1 + e^-x)`
#[inline(always)]
fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

#[inline(always)]
fn lstm_gates_body<const FUSED: bool>(
    z: &mut [f32],
    bias: &[f32],
    before: &[f32],
    [c, squashed, h]: [&mut [f32]; 3],
) {
    let cells = bias.len() / 4;
    let (bias_if, bias_go) = bias.split_at(2 * cells);
    let (bias_g, bias_o) = bias_go.split_at(cells);
    let rows = z.chunks_exact_mut(4 * cells).zip(before.chunks_exact(cells));
    let after = c.chunks_exact_mut(cells).zip(squashed.chunks_exact_mut(cells));
    for (((z, before), (c, squashed)), h) in rows.zip(after).zip(h.chunks_exact_mut(cells)) {
        let (both, rest) = z.split_at_mut(2 * cells);
        let (g, o) = rest.split_at_mut(cells);
        both.iter_mut().zip(bias_if).for_each(|(z, b)| *z = sigmoid::<FUSED>(*z + b));
        g.iter_mut().zip(bias_g).for_each(|(z, b)| *z = tanh::<FUSED>(*z + b));
        o.iter_mut().zip(bias_o).for_each(|(z, b)| *z = sigmoid::<FUSED>(*z + b));
        let (i, f) = both.split_at(cells);
        let (i, f, g, o) = (&i[..cells], &f[..cells], &g[..cells], &o[..cells]);
        let (before, c, squashed) = (&before[..cells], &mut c[..cells], &mut squashed[..cells]);
        let h = &mut h[..cells];
        for k in 0..cells {
            c[k] = multiply_add::<FUSED>(f[k], before[k], i[k] * g[k]);
            squashed[k] = tanh::<FUSED>(c[k]);
            h[k] = o[k] * squashed[k];
        }
    }
}

vectorized! {
    /// One step of an LSTM, row by row: `z` (`rows x 4 cells`, in the order i, f, g, o) becomes the gates
    /// `sigmoid(z + bias)`, for g `tanh(z + bias)`; `before` is the state of the cells before the step;
    /// overwritten are `[c, tanh c, h]` with `c = f before + i g` and `h = o tanh c`.
    pub(crate) fn lstm_gates(z: &mut [f32], bias: &[f32], before: &[f32], after: [&mut [f32]; 3]) = fused lstm_gates_body
}

#[inline(always)]
fn lstm_gates_back_body(
    gates: &mut [f32],
    before: &[f32],
    squashed: &[f32],
    d_h: &[f32],
    d_c: &mut [f32],
    cells: usize,
) {
    let rows = gates.chunks_exact_mut(4 * cells).zip(before.chunks_exact(cells));
    let after = squashed.chunks_exact(cells).zip(d_h.chunks_exact(cells));
    for (((gates, before), (u, d_h)), d_c) in rows.zip(after).zip(d_c.chunks_exact_mut(cells)) {
        let (i, rest) = gates.split_at_mut(cells);
        let (f, rest) = rest.split_at_mut(cells);
        let (g, o) = rest.split_at_mut(cells);
        let (i, f, g, o) = (&mut i[..cells], &mut f[..cells], &mut g[..cells], &mut o[..cells]);
        let (before, u, d_h) = (&before[..cells], &u[..cells], &d_h[..cells]);
        let d_c = &mut d_c[..cells];
        for k in 0..cells {
            let (gate_i, gate_f, gate_g, gate_o) = (i[k], f[k], g[k], o[k]);
            let d = d_c[k] + d_h[k] * gate_o * (1.0 - u[k] * u[k]);
            i[k] = d * gate_g * gate_i * (1.0 - gate_i);
            f[k] = d * before[k] * gate_f * (1.0 - gate_f);
            g[k] = d * gate_i * (1.0 - gate_g * gate_g);
            o[k] = d_h[k] * u[k] * gate_o * (1.0 - gate_o);
            d_c[k] = d * gate_f;
        }
    }
}

vectorized! {
    /// The way back through [`lstm_gates`]: `gates` become the gradient at `z`, and `d_c`, the gradient at
    /// `c` that comes from later steps, that at `before`. `squashed` is `tanh c`.
    pub(crate) fn lstm_gates_back(
        gates: &mut [f32], before: &[f32], squashed: &[f32], d_h: &[f32], d_c: &mut [f32], cells: usize
    ) = lstm_gates_back_body
}

#[inline(always)]
fn largest_body(q: &[f32], bias: &[f32], first: u32, best: &mut [f32], place: &mut [u32]) {
    let place = &mut place[..best.len()];
    for (offset, (q, bias)) in q.chunks_exact(best.len()).zip(bias).enumerate() {
        let here = first + offset as u32;
        for ((q, best), place) in q.iter().zip(&mut *best).zip(&mut *place) {
            let value = q + bias;
            let larger = value > *best;
            *best = if larger { value } else { *best };
            *place = if larger { here } else { *place };
        }
    }
}

vectorized! {
    /// The largest number of every column of `q + bias`, a bias a row, and of `best`; where it is one of
    /// `q`, `place` is the first row that has it, counted from `first`.
    pub(crate) fn largest(q: &[f32], bias: &[f32], first: u32, best: &mut [f32], place: &mut [u32]) = largest_body
}

#[inline(always)]
fn column_sums_body(d: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for row in d.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(s, d)| *s += d);
    }
}

vectorized! {
    /// The sum of every column: the gradient of a bias.
    pub(crate) fn column_sums(d: &[f32], sums: &mut [f32]) = column_sums_body
}

/// Added to the variance in layer normalization.
pub(crate) const NORM_EPSILON: f32 = 1e-5;

/// A sum in eight lanes, which vectorizes where a plain fold may not be reordered.
#[inline(always)]
fn lanes(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0.0f32; 8];
    let whole = len / 8 * 8;
    let mut i = 0;
    while i < whole {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(i + lane);
        }
        i += 8;
    }
    let rest: f32 = (whole..len).map(term).sum();
    sums.iter().sum::<f32>() + rest
}

#[inline(always)]
fn normalize_body<const FUSED: bool>(
    z: &mut [f32],
    bias: &[f32],
    [gain, shift]: [&[f32]; 2],
    inverse: &mut [f32],
    h: &mut [f32],
    activation: Activation,
) {
    let width = bias.len();
    let (gain, shift) = (&gain[..width], &shift[..width]);
    let share = 1.0 / width as f32;
    for ((z, h), inverse) in z.chunks_exact_mut(width).zip(h.chunks_exact_mut(width)).zip(inverse) {
        z.iter_mut().zip(bias).for_each(|(z, b)| *z += b);
        let mean = share * lanes(width, |i| z[i]);
        let variance = share * lanes(width, |i| (z[i] - mean) * (z[i] - mean));
        *inverse = 1.0 / (variance + NORM_EPSILON).sqrt();
        for i in 0..width {
            z[i] = (z[i] - mean) * *inverse;
            h[i] = gain[i] * z[i] + shift[i];
        }
        match activation {
            Activation::Relu => h.iter_mut().for_each(|h| *h = relu(*h)),
            Activation::Tanh => h.iter_mut().for_each(|h| *h = tanh::<FUSED>(*h)),
        }
    }
}

vectorized! {
    /// `h <- activation(gain * normalized(z + bias) + shift)`, row by row; `z` keeps the normalized
    /// rows and `inverse` one over each row's standard deviation, for the way back.
    pub(crate) fn normalize(
        z: &mut [f32], bias: &[f32], affine: [&[f32]; 2], inverse: &mut [f32], h: &mut [f32], activation: Activation
    ) = fused normalize_body
}

#[inline(always)]
fn denormalize_body(d: &mut [f32], normalized: &[f32], gain: &[f32], inverse: &[f32]) {
    let width = gain.len();
    let share = 1.0 / width as f32;
    for ((d, x), inverse) in
        d.chunks_exact_mut(width).zip(normalized.chunks_exact(width)).zip(inverse)
    {
        d.iter_mut().zip(gain).for_each(|(d, g)| *d *= g);
        let mean = share * lanes(width, |i| d[i]);
        let along = share * lanes(width, |i| d[i] * x[i]);
        d.iter_mut().zip(x).for_each(|(d, x)| *d = inverse * (*d - mean - x * along));
    }
}

vectorized! {
    /// The gradient before layer normalization from the gradient after it (Ba et al. 2016).
    pub(crate) fn denormalize(d: &mut [f32], normalized: &[f32], gain: &[f32], inverse: &[f32]) = denormalize_body
}

#[inline(always)]
fn product_column_sums_body(d: &[f32], x: &[f32], sums: &mut [f32]) {
    let width = sums.len();
    sums.fill(0.0);
    for (d, x) in d.chunks_exact(width).zip(x.chunks_exact(width)) {
        for (sum, (d, x)) in sums.iter_mut().zip(d.iter().zip(x)) {
            *sum += d * x;
        }
    }
}

vectorized! {
    /// The sum of every column of the entrywise product: the gradient of a gain.
    pub(crate) fn product_column_sums(d: &[f32], x: &[f32], sums: &mut [f32]) = product_column_sums_body
}

#[inline(always)]
fn dot_body(x: &[f32], y: &[f32]) -> f32 {
    let y = &y[..x.len()];
    lanes(x.len(), |i| x[i] * y[i])
}

vectorized! {
    /// The scalar product of `x` and the first entries of `y`.
    pub(crate) fn dot(x: &[f32], y: &[f32]) -> f32 = dot_body
}

/// The entries `from..from + N` of the result, held in registers while the rows of `B` pass by.
#[inline(always)]
fn affine_block<const N: usize, const FUSED: bool>(
    x: &[f32],
    b: &[f32],
    from: usize,
    into: &mut [f32],
) {
    let width = into.len();
    let block = &mut into[from..from + N];
    let mut sums = [0.0f32; N];
    sums.copy_from_slice(block);
    for (x, row) in x.iter().zip(b.chunks_exact(width)) {
        for (sum, entry) in sums.iter_mut().zip(&row[from..from + N]) {
            *sum = multiply_add::<FUSED>(*entry, *x, *sum);
        }
    }
    block.copy_from_slice(&sums);
}

#[inline(always)]
fn affine_body<const FUSED: bool>(x: &[f32], b: &[f32], shift: &[f32], into: &mut [f32]) {
    into.copy_from_slice(shift);
    let mut from = 0;
    while from + 64 <= into.len() {
        affine_block::<64, FUSED>(x, b, from, into);
        from += 64;
    }
    while from + 8 <= into.len() {
        affine_block::<8, FUSED>(x, b, from, into);
        from += 8;
    }
    while from < into.len() {
        affine_block::<1, FUSED>(x, b, from, into);
        from += 1;
    }
}

vectorized! {
    /// `x B + c` for a single row `x`, with `B: k x n`. A product of matrices would first rearrange `B`,
    /// which costs more than to pass over it.
    pub(crate) fn affine(x: &[f32], b: &[f32], shift: &[f32], into: &mut [f32]) = fused affine_body
}

/// The scalar product in 64 bits, in eight sums side by side.
#[inline(always)]
pub(crate) fn dot_double(a: &[f64], b: &[f64]) -> f64 {
    let (a, rest_a) = a.as_chunks::<8>();
    let (b, rest_b) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// Rows of the Cholesky factor that are computed side by side: the next entry of a row waits for the one
/// before, and other rows fill that time.
const SIDE_BY_SIDE: usize = 4;

#[inline(always)]
fn cholesky_body(pairs: &[f32], diagonal: f64, factor: &mut [f64]) -> bool {
    let start = |row: usize| row * (row + 1) / 2;
    let mut first = 0;
    while start(first) < factor.len() {
        let (above, rest) = factor.split_at_mut(start(first));
        // The rows at hand as far as there are any, each longer by one than the one before.
        let mut rows: [&mut [f64]; SIDE_BY_SIDE] = Default::default();
        let mut rest = rest;
        for (place, row) in rows.iter_mut().enumerate() {
            let (this, others) = rest.split_at_mut(rest.len().min(first + place + 1));
            (*row, rest) = (this, others);
        }
        let pair = |row: usize, column: usize| f64::from(pairs[start(row) - row + column]);
        for j in 0..first {
            let other = &above[start(j)..][..=j];
            for (place, row) in rows.iter_mut().enumerate().filter(|(_, row)| !row.is_empty()) {
                row[j] = (pair(first + place, j) - dot_double(&row[..j], &other[..j])) / other[j];
            }
        }
        for place in 0..SIDE_BY_SIDE {
            let (done, row) = rows.split_at_mut(place);
            let Some(row) = row.first_mut().filter(|row| !row.is_empty()) else { break };
            let i = first + place;
            for (j, other) in (first..i).zip(&*done) {
                row[j] = (pair(i, j) - dot_double(&row[..j], &other[..j])) / other[j];
            }
            let square = diagonal - dot_double(&row[..i], &row[..i]);
            if !(square > 0.0 && square.is_finite()) {
                return false;
            }
            row[i] = square.sqrt();
        }
        first += SIDE_BY_SIDE;
    }
    true
}

vectorized! {
    /// The lower Cholesky factor, row after row without what lies above the diagonal, of the symmetric
    /// matrix with `pairs` below the diagonal, row after row, and `diagonal` in every place of it; false
    /// where it is not positive definite (Golub & Van Loan 2013, section 4.2).
    pub(crate) fn cholesky(pairs: &[f32], diagonal: f64, factor: &mut [f64]) -> bool = cholesky_body
}

/// `cos x` to an absolute error of 2e-7 (1 + |x|).
///
/// In turns, less the nearest whole number of them, x is in [-1/2, 1/2], and its cosine the sine of what is
/// missing to a quarter, which is a Taylor polynomial of degree 11 (error (pi / 2)^13 / 13! = 6e-8).
#[inline(always)]
fn cosine<const FUSED: bool>(x: f32) -> f32 {
    /// Adding it rounds to an integer, see [`exp`].
    const ROUND: f32 = 12_582_912.0;
    const TAYLOR: [f32; 6] =
        [-1.0 / 39_916_800.0, 1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0];
    let turns = x * std::f32::consts::FRAC_1_PI * 0.5;
    let rest = turns - ((turns + ROUND) - ROUND);
    let angle = (0.25 - rest.abs()) * std::f32::consts::TAU;
    angle * polynomial::<FUSED, 6>(angle * angle, TAYLOR)
}

#[inline(always)]
fn cosine_sum_body<const FUSED: bool>(x: &[f32], phases: &[f32], amplitudes: &[f32]) -> f32 {
    let (phases, amplitudes) = (&phases[..x.len()], &amplitudes[..x.len()]);
    lanes(x.len(), |i| amplitudes[i] * cosine::<FUSED>(x[i] + phases[i]))
}

vectorized! {
    /// `sum_i amplitude_i cos(x_i + phase_i)` for `|x_i|` below a million.
    pub(crate) fn cosine_sum(x: &[f32], phases: &[f32], amplitudes: &[f32]) -> f32 = fused cosine_sum_body
}

#[inline(always)]
fn square_sum_body(x: &[f32]) -> f32 {
    lanes(x.len(), |i| x[i] * x[i])
}

vectorized! {
    /// The sum of squares.
    pub(crate) fn square_sum(x: &[f32]) -> f32 = square_sum_body
}

#[inline(always)]
fn average_body(target: &mut [f32], online: &[f32], tau: f32) {
    assert_eq!(target.len(), online.len(), "the two must be of one network");
    target.iter_mut().zip(online).for_each(|(t, o)| *t = (1.0 - tau) * *t + tau * o);
}

vectorized! {
    /// `target <- (1 - tau) target + tau online`.
    pub(crate) fn average(target: &mut [f32], online: &[f32], tau: f32) = average_body
}

/// The numbers of one step of Adam.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    /// What the gradient is multiplied by.
    pub scale: f32,
    /// The decay of the first moment.
    pub beta1: f32,
    /// The decay of the second moment.
    pub beta2: f32,
    /// The learning rate over the first bias correction.
    pub size: f32,
    /// One over the root of the second bias correction.
    pub root_correction: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// What the weights are multiplied by first: 1 - learning rate * weight decay.
    pub keep: f32,
}

#[inline(always)]
fn adam_body(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], step: AdamStep) {
    assert!(
        p.len() == m.len() && g.len() == m.len() && v.len() == m.len(),
        "weights, gradient and moments must be of one network"
    );
    let AdamStep { scale, beta1, beta2, size, root_correction, epsilon, keep } = step;
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = scale * g;
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *p = keep * *p - size * *m / (v.sqrt() * root_correction + epsilon);
    }
}

vectorized! {
    /// One step of Adam: see [`super::Adam`].
    pub(crate) fn adam(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], step: AdamStep) = adam_body
}

/// The numbers of one step of RMSProp.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsPropStep {
    /// What the gradient is multiplied by.
    pub scale: f32,
    /// The learning rate.
    pub size: f32,
    /// The decay of the averages.
    pub alpha: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// What of the weights is added to the gradient.
    pub weight_decay: f32,
    /// The decay of the velocity.
    pub momentum: f32,
}

#[inline(always)]
fn rms_prop_body(
    p: &mut [f32],
    g: &[f32],
    square: &mut [f32],
    mean: Option<&mut [f32]>,
    velocity: Option<&mut [f32]>,
    step: RmsPropStep,
) {
    assert!(p.len() == square.len() && g.len() == square.len(), "must be of one network");
    let RmsPropStep { scale, size, alpha, epsilon, weight_decay, momentum } = step;
    let each = p.iter_mut().zip(g).zip(square);
    match (mean, velocity) {
        (None, None) => {
            for ((p, g), square) in each {
                let g = scale * g + weight_decay * *p;
                *square = alpha * *square + (1.0 - alpha) * g * g;
                *p -= size * g / (square.sqrt() + epsilon);
            }
        }
        (None, Some(velocity)) => {
            for (((p, g), square), velocity) in each.zip(velocity) {
                let g = scale * g + weight_decay * *p;
                *square = alpha * *square + (1.0 - alpha) * g * g;
                *velocity = momentum * *velocity + g / (square.sqrt() + epsilon);
                *p -= size * *velocity;
            }
        }
        (Some(mean), velocity) => {
            // Of the two, centering is the rarer: with it a velocity costs a branch.
            let mut velocity = velocity;
            for (index, (((p, g), square), mean)) in each.zip(mean).enumerate() {
                let g = scale * g + weight_decay * *p;
                *square = alpha * *square + (1.0 - alpha) * g * g;
                *mean = alpha * *mean + (1.0 - alpha) * g;
                // A variance, which rounding may take below 0.
                let variance = *square - *mean * *mean;
                let variance = if variance < 0.0 { 0.0 } else { variance };
                let mut change = g / (variance.sqrt() + epsilon);
                if let Some(velocity) = &mut velocity {
                    velocity[index] = momentum * velocity[index] + change;
                    change = velocity[index];
                }
                *p -= size * change;
            }
        }
    }
}

vectorized! {
    /// One step of RMSProp: see [`super::RmsProp`].
    pub(crate) fn rms_prop(
        p: &mut [f32], g: &[f32], square: &mut [f32], mean: Option<&mut [f32]>, velocity: Option<&mut [f32]>, step: RmsPropStep
    ) = rms_prop_body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matern_covariance_is_accurate_at_all_distances() {
        for step in 0..4000 {
            let x = (f64::from(step) * 0.01 - 20.0).exp() as f32;
            let r = (5.0 * f64::from(x)).sqrt();
            let expected = (1.0 + r + r * r / 3.0) * (-r).exp();
            let mut found = [x];
            matern_in_place(&mut found);
            let error = (f64::from(found[0]) - expected).abs();
            // Rounding r to 32 bits alone changes e^-r by r 2^-24.
            let bound = (1e-6 + 1.2e-7 * r) * expected + 1e-31;
            assert!(error <= bound, "{x}: {} {expected}", found[0]);
        }
        let mut limits = [0.0, f32::INFINITY, f32::NAN];
        matern_in_place(&mut limits);
        assert_eq!(limits[0], 1.0);
        assert!(limits[1] < 1e-30);
        assert!(limits[2].is_nan());
    }

    fn naive(
        [m, k, n]: [usize; 3],
        a: impl Fn(usize, usize) -> f32,
        b: impl Fn(usize, usize) -> f32,
    ) -> Vec<f64> {
        (0..m * n)
            .map(|at| {
                (0..k).map(|p| f64::from(a(at / n, p)) * f64::from(b(p, at % n))).sum::<f64>()
            })
            .collect()
    }

    fn close(found: &[f32], expected: &[f64], offset: f64, what: &str) {
        for (found, expected) in found.iter().zip(expected) {
            let error = f64::from(*found) - expected - offset;
            assert!(error.abs() < 1e-4, "{what}: {found} {expected}");
        }
    }

    /// Every way in which this processor can multiply.
    type Multiply = fn(Factors<'_>, &mut [f32], Mode, &mut Panel);
    const WAYS: [(&str, Multiply); 3] = [
        ("chosen", multiplied),
        ("portable", |factors, c, mode, panel| {
            multiply::<_, 4, 8>(Portable, factors, c, mode, panel);
        }),
        #[cfg(target_arch = "x86_64")]
        ("avx2", |factors, c, mode, panel| match x86::Avx2::new() {
            Some(simd) => multiply::<_, 8, 16>(simd, factors, c, mode, panel),
            None => multiplied(factors, c, mode, panel),
        }),
        #[cfg(not(target_arch = "x86_64"))]
        ("chosen again", multiplied),
    ];

    fn by_gemm(factors: Factors<'_>, c: &mut [f32]) {
        let Factors { form, size, a, b } = factors;
        let a = (a, form == Form::TransposedLeft);
        product_by_gemm(size, a, (b, form == Form::TransposedRight), c);
    }

    #[test]
    fn products_agree_with_the_definition() {
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 50.0;
        let mut panel = Panel::default();
        for m in [1, 2, 4, 6, 7, 13, 30, 64] {
            for k in [1, 3, 24, 65, 300] {
                for n in [1, 2, 8, 15, 16, 17, 40, 64] {
                    let a: Vec<f32> = (0..m * k).map(value).collect();
                    let b: Vec<f32> = (0..k * n).map(|i| value(i + 11)).collect();
                    let size = [m, k, n];
                    for (form, expected) in [
                        (Form::Plain, naive(size, |i, p| a[i * k + p], |p, j| b[p * n + j])),
                        (
                            Form::TransposedRight,
                            naive(size, |i, p| a[i * k + p], |p, j| b[j * k + p]),
                        ),
                        (
                            Form::TransposedLeft,
                            naive(size, |i, p| a[p * m + i], |p, j| b[p * n + j]),
                        ),
                    ] {
                        let factors = Factors { form, size, a: &a, b: &b };
                        let mut c = vec![f32::NAN; m * n];
                        by_gemm(factors, &mut c);
                        close(&c, &expected, 0.0, &format!("gemm {form:?} {size:?}"));
                        for (name, way) in WAYS {
                            c.fill(f32::NAN);
                            way(factors, &mut c, Mode::Overwrite, &mut panel);
                            close(&c, &expected, 0.0, &format!("{name} {form:?} {size:?}"));
                            c.fill(1.0);
                            way(factors, &mut c, Mode::Add, &mut panel);
                            close(&c, &expected, 1.0, &format!("{name} {form:?} {size:?} added"));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn sums_over_nothing_are_zero() {
        let mut c = [7.0; 6];
        product([2, 0, 3], &[], &[], &mut c, Mode::Add, &mut Panel::default());
        assert_eq!(c, [7.0; 6]);
        product([2, 0, 3], &[], &[], &mut c, Mode::Overwrite, &mut Panel::default());
        assert_eq!(c, [0.0; 6]);
    }

    #[test]
    fn a_row_has_the_same_bits_in_every_batch() {
        let mut panel = Panel::default();
        for [k, n] in [[24, 64], [300, 40], [64, 1], [64, 8], [17, 70]] {
            let x: Vec<f32> = (0..40 * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
            let w: Vec<f32> = (0..k * n).map(|i| ((i * 41 % 103) as f32 - 50.0) / 50.0).collect();
            let mut all = vec![0.0; 40 * n];
            product([40, k, n], &x, &w, &mut all, Mode::Overwrite, &mut panel);
            for rows in [1, 3, 7] {
                let mut some = vec![0.0; rows * n];
                product([rows, k, n], &x[..rows * k], &w, &mut some, Mode::Overwrite, &mut panel);
                assert_eq!(some, all[..rows * n], "{rows} rows of {k} x {n}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "the left factor must be 2 x 3")]
    fn a_wrong_length_panics() {
        let mut panel = Panel::default();
        product([2, 3, 1], &[0.0; 5], &[0.0; 3], &mut [0.0; 2], Mode::Overwrite, &mut panel);
    }

    #[test]
    fn tanh_is_as_accurate_as_documented() {
        let mut x: Vec<f32> = (-1_000_000..=1_000_000).map(|i| i as f32 * 1e-5).collect();
        x.extend([-1e30, -80.0, -10.5, -0.0, 0.0, 1e-30, 10.5, 80.0, 1e30, f32::INFINITY]);
        let exact: Vec<f64> = x.iter().map(|x| f64::from(*x).tanh()).collect();
        tanh_in_place(&mut x);
        for (x, exact) in x.iter().zip(exact) {
            assert!((f64::from(*x) - exact).abs() <= f64::from(TANH_ERROR), "{x} {exact}");
        }
        x.iter().for_each(|x| assert!(x.abs() <= 1.0, "{x}"));
        let mut nan = [f32::NAN];
        tanh_in_place(&mut nan);
        assert!(nan[0].is_nan());
        let baseline = tanh::<false>(0.7);
        assert!((baseline - 0.7f32.tanh()).abs() < TANH_ERROR);
    }

    #[test]
    fn exponentials_are_as_accurate_as_documented() {
        let arguments = || (-86_999..=87_999).map(|i| i as f32 * 1e-3);
        let mut x: Vec<f32> = arguments().collect();
        exp_in_place(&mut x);
        for (found, x) in x.iter().zip(arguments()) {
            let exact = f64::from(x).exp();
            assert!((f64::from(*found) / exact - 1.0).abs() < 3e-7, "{x}: {found} {exact}");
            assert!((f64::from(exp::<false>(x)) / exact - 1.0).abs() < 3e-7, "{x} in the baseline");
        }
        let mut edges = [f32::NAN, -1e30, 1e30];
        exp_in_place(&mut edges);
        assert!(edges[0].is_nan() && edges[1] < 1e-37 && edges[2] > 1e38);
    }

    #[test]
    fn cosines_are_as_accurate_as_documented() {
        for x in (-100_000..=100_000).map(|i| i as f32 * 1e-3) {
            let exact = f64::from(x).cos();
            let bound = 2e-7 * (1.0 + f64::from(x.abs()));
            for found in [cosine::<true>(x), cosine::<false>(x)] {
                assert!((f64::from(found) - exact).abs() < bound, "{x}: {found} {exact}");
            }
        }
        let [x, phases, amplitudes] = [0.1, 1.0, 2.0]
            .map(|scale| (0..19).map(|i| scale * (i as f32 - 9.0)).collect::<Vec<f32>>());
        let exact: f32 = (0..19).map(|i| amplitudes[i] * (x[i] + phases[i]).cos()).sum();
        assert!((cosine_sum(&x, &phases, &amplitudes) - exact).abs() < 1e-4);
        let exact: f32 = (0..19).map(|i| x[i] * phases[i]).sum();
        assert!((dot(&x, &phases) - exact).abs() < 1e-4);
    }

    #[test]
    fn the_logarithm_of_the_slope_of_tanh_is_as_accurate_as_documented() {
        let u: Vec<f32> = (-60_000..=60_000).map(|i| i as f32 * 1e-3).collect();
        let mut found = vec![0.0; u.len()];
        log_tanh_slopes(&u, &mut found);
        for (found, u) in found.iter().zip(u) {
            // 4 / (e^u + e^-u)^2, of which the exponential of the smaller power may be lost.
            let size = f64::from(u).abs();
            let exact = 4f64.ln() - 2.0 * (size + (-2.0 * size).exp().ln_1p());
            let bound = 1e-6f64.max(3e-7 * exact.abs());
            assert!((f64::from(*found) - exact).abs() < bound, "{u}: {found} {exact}");
        }
        let mut nan = [0.0];
        log_tanh_slopes(&[f32::NAN], &mut nan);
        assert!(nan[0].is_nan());
    }
}
