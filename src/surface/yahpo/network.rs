//! The network of a scenario, compiled into steps over one block of memory a kind of number.
//!
//! One row is evaluated at a time. Every value of the graph has its place in the memory, after those that
//! it is computed from; what does not depend on the inputs was computed once (see [`super::compile`]).
//! Arithmetic is that of the file's types: 32-bit floats, 64-bit ones where it casts to them.

use super::onnx::Data;
use crate::nn::kernel;

/// What evaluates rows. It holds the weights, and no state.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) constants: Vec<Data>,
    pub(super) steps: Vec<Step>,
    pub(super) sizes: Sizes,
    /// Where the row's codes of categories (integers) are.
    pub(super) codes: Operand,
    /// Where the row's numbers (floats) are.
    pub(super) numbers: Operand,
    /// Where the result (floats) is.
    pub(super) output: Operand,
}

/// How many numbers of each kind the memory has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sizes {
    pub(super) float: usize,
    pub(super) double: usize,
    pub(super) int: usize,
}

/// The values of one evaluation.
pub(super) struct Memory {
    pub(super) float: Vec<f32>,
    pub(super) double: Vec<f64>,
    pub(super) int: Vec<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Double,
    Int,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// A position in the constants.
    Constant(usize),
    /// The first position in the memory of its kind.
    Memory(usize),
}

/// A value: what it is made of and where it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand {
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) len: usize,
}

/// One operation on values that are there. The output begins behind all inputs of its kind.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) operation: Operation,
    pub(super) inputs: Vec<Operand>,
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) len: usize,
    /// The position of its node in the graph.
    pub(super) node: usize,
}

#[derive(Debug)]
pub(super) enum Operation {
    Unary(Unary),
    /// Of two values of the same length, or of which one is a single number.
    Binary(Binary),
    /// To another kind of number.
    Cast,
    /// Pieces of the inputs, one after the other.
    Collect(Vec<Piece>),
    /// Rows of the first input, a table of so many columns, by the numbers in the second.
    Lookup {
        width: usize,
    },
    /// `x B + c` for every row `x` of the first input; the others are `B`, row-major, and `c`.
    Product,
    /// `a_c x + b_c` with the channel `c` of each number, of which `inner` in a row are of one.
    Scale {
        inner: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unary {
    Clip { low: f64, high: f64 },
    Exp,
    Log,
    Neg,
    Relu,
    Round,
    Sigmoid,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Binary {
    Add,
    Div,
    Max,
    Min,
    Mul,
    Sub,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) input: usize,
    pub(super) start: usize,
    pub(super) len: usize,
}

impl Network {
    /// How many categories a row has.
    pub(super) fn codes(&self) -> usize {
        self.codes.len
    }

    /// How many numbers a row has.
    pub(super) fn numbers(&self) -> usize {
        self.numbers.len
    }

    /// How many numbers the result has.
    pub(super) fn outputs(&self) -> usize {
        self.output.len
    }

    /// The result for a row.
    ///
    /// # Errors
    ///
    /// What is wrong with the row: its length, or a code that is none.
    pub(super) fn evaluate(&self, codes: &[i64], numbers: &[f32]) -> Result<Vec<f32>, String> {
        if codes.len() != self.codes() || numbers.len() != self.numbers() {
            return Err(format!(
                "the network needs {} codes and {} numbers, found {} and {}",
                self.codes(),
                self.numbers(),
                codes.len(),
                numbers.len()
            ));
        }
        let mut memory = Memory::new(self.sizes);
        memory.int[self.codes.range()].copy_from_slice(codes);
        memory.float[self.numbers.range()].copy_from_slice(numbers);
        for step in &self.steps {
            step.run(&self.constants, &mut memory)?;
        }
        Ok(self.output.read(&self.constants, &memory.float).to_vec())
    }
}

impl Memory {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            float: vec![0.0; sizes.float],
            double: vec![0.0; sizes.double],
            int: vec![0; sizes.int],
        }
    }
}

impl Operand {
    /// Its positions in the memory.
    fn range(&self) -> std::ops::Range<usize> {
        match self.place {
            Place::Memory(start) => start..start + self.len,
            Place::Constant(_) => 0..0,
        }
    }

    fn read<'a, T: Number>(&self, constants: &'a [Data], memory: &'a [T]) -> &'a [T] {
        match self.place {
            Place::Constant(index) => T::of(&constants[index]),
            Place::Memory(_) => &memory[self.range()],
        }
    }
}

impl Step {
    pub(super) fn run(&self, constants: &[Data], memory: &mut Memory) -> Result<(), String> {
        let place = self.start..self.start + self.len;
        let Memory { float, double, int } = memory;
        match (&self.operation, self.kind) {
            (Operation::Cast, kind) => {
                let from = self.inputs[0];
                match (from.kind, kind) {
                    (Kind::Float, Kind::Double) => {
                        convert(from.read(constants, float), &mut double[place], f64::from);
                    }
                    (Kind::Float, Kind::Int) => {
                        convert(from.read(constants, float), &mut int[place], |x| x as i64);
                    }
                    (Kind::Double, Kind::Float) => {
                        convert(from.read(constants, double), &mut float[place], |x| x as f32);
                    }
                    (Kind::Double, Kind::Int) => {
                        convert(from.read(constants, double), &mut int[place], |x| x as i64);
                    }
                    (Kind::Int, Kind::Float) => {
                        convert(from.read(constants, int), &mut float[place], |x| x as f32);
                    }
                    (Kind::Int, Kind::Double) => {
                        convert(from.read(constants, int), &mut double[place], |x| x as f64);
                    }
                    // A cast to the same kind is no step.
                    (Kind::Float | Kind::Double | Kind::Int, _) => {}
                }
                Ok(())
            }
            (Operation::Lookup { width }, _) => {
                let (before, into) = float.split_at_mut(self.start);
                let rows = self.inputs[0].read(constants, before);
                let numbers = self.inputs[1].read(constants, int);
                let count = (rows.len() / width) as i64;
                for (&number, into) in numbers.iter().zip(into.chunks_exact_mut(*width)) {
                    let row = if number < 0 { number + count } else { number };
                    if !(0..count).contains(&row) {
                        return Err(format!(
                            "node {}: a code must be below {count}, found {number}",
                            self.node
                        ));
                    }
                    into.copy_from_slice(&rows[row as usize * width..][..*width]);
                }
                Ok(())
            }
            (Operation::Product, _) => {
                let (before, into) = float.split_at_mut(self.start);
                let [rows, weights, bias] =
                    [0, 1, 2].map(|input| self.inputs[input].read(constants, before));
                let width = weights.len() / bias.len();
                for (row, into) in
                    rows.chunks_exact(width).zip(into[..self.len].chunks_exact_mut(bias.len()))
                {
                    kernel::affine(row, weights, bias, into);
                }
                Ok(())
            }
            (Operation::Scale { inner }, _) => {
                let (before, into) = float.split_at_mut(self.start);
                let [x, factors, shifts] =
                    [0, 1, 2].map(|input| self.inputs[input].read(constants, before));
                let channels = factors.iter().zip(shifts).cycle();
                for ((x, into), (factor, shift)) in
                    x.chunks_exact(*inner).zip(into.chunks_exact_mut(*inner)).zip(channels)
                {
                    for (x, into) in x.iter().zip(into) {
                        *into = x * factor + shift;
                    }
                }
                Ok(())
            }
            (_, Kind::Float) => self.compute(constants, float),
            (_, Kind::Double) => self.compute(constants, double),
            (_, Kind::Int) => self.compute(constants, int),
        }
    }

    /// The operations that stay within one kind of number.
    fn compute<T: Number>(&self, constants: &[Data], memory: &mut [T]) -> Result<(), String> {
        let (before, into) = memory.split_at_mut(self.start);
        let into = &mut into[..self.len];
        let read = |input: usize| self.inputs[input].read(constants, before);
        match &self.operation {
            Operation::Unary(operation) => {
                convert(read(0), into, |x| x.unary(*operation));
            }
            Operation::Binary(operation) => {
                let (left, right) = (read(0), read(1));
                for (index, into) in into.iter_mut().enumerate() {
                    let left = left[if left.len() == 1 { 0 } else { index }];
                    let right = right[if right.len() == 1 { 0 } else { index }];
                    *into = left
                        .binary(*operation, right)
                        .ok_or_else(|| format!("node {}: a division by zero", self.node))?;
                }
            }
            Operation::Collect(pieces) => {
                let mut at = 0;
                for piece in pieces {
                    let from = &read(piece.input)[piece.start..piece.start + piece.len];
                    into[at..at + piece.len].copy_from_slice(from);
                    at += piece.len;
                }
            }
            // `run` has done these.
            Operation::Cast
            | Operation::Lookup { .. }
            | Operation::Product
            | Operation::Scale { .. } => {}
        }
        Ok(())
    }
}

fn convert<T: Copy, U>(from: &[T], into: &mut [U], convert: impl Fn(T) -> U) {
    for (from, into) in from.iter().zip(into) {
        *into = convert(*from);
    }
}

/// A kind of number with its arithmetic.
trait Number: Copy {
    /// The numbers of a constant, none where they are of another kind.
    fn of(data: &Data) -> &[Self];
    fn unary(self, operation: Unary) -> Self;
    /// `None` where an integer is divided by zero.
    fn binary(self, operation: Binary, other: Self) -> Option<Self>;
}

macro_rules! floating {
    ($type:ty, $variant:path) => {
        impl Number for $type {
            fn of(data: &Data) -> &[Self] {
                match data {
                    $variant(data) => data,
                    _ => &[],
                }
            }

            fn unary(self, operation: Unary) -> Self {
                match operation {
                    // NaN stays, as with every other operation.
                    Unary::Clip { low, .. } if self < low as Self => low as Self,
                    Unary::Clip { high, .. } if self > high as Self => high as Self,
                    Unary::Clip { .. } => self,
                    Unary::Exp => self.exp(),
                    Unary::Log => self.ln(),
                    Unary::Neg => -self,
                    Unary::Relu if self < 0.0 => 0.0,
                    Unary::Relu => self,
                    Unary::Round => self.round_ties_even(),
                    Unary::Sigmoid => 1.0 / (1.0 + (-self).exp()),
                }
            }

            fn binary(self, operation: Binary, other: Self) -> Option<Self> {
                Some(match operation {
                    Binary::Add => self + other,
                    Binary::Div => self / other,
                    Binary::Max if self.is_nan() || self > other => self,
                    Binary::Min if self.is_nan() || self < other => self,
                    Binary::Max | Binary::Min => other,
                    Binary::Mul => self * other,
                    Binary::Sub => self - other,
                })
            }
        }
    };
}

floating!(f32, Data::Float);
floating!(f64, Data::Double);

impl Number for i64 {
    fn of(data: &Data) -> &[Self] {
        match data {
            Data::Int(data) => data,
            _ => &[],
        }
    }

    fn unary(self, operation: Unary) -> Self {
        match operation {
            Unary::Neg => self.wrapping_neg(),
            // Refused when the network is compiled.
            Unary::Clip { .. }
            | Unary::Exp
            | Unary::Log
            | Unary::Relu
            | Unary::Round
            | Unary::Sigmoid => self,
        }
    }

    fn binary(self, operation: Binary, other: Self) -> Option<Self> {
        match operation {
            Binary::Add => Some(self.wrapping_add(other)),
            Binary::Div if other == 0 => None,
            Binary::Div => Some(self.wrapping_div(other)),
            Binary::Max => Some(self.max(other)),
            Binary::Min => Some(self.min(other)),
            Binary::Mul => Some(self.wrapping_mul(other)),
            Binary::Sub => Some(self.wrapping_sub(other)),
        }
    }
}
