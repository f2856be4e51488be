//! From a graph to a network: shapes, places in memory, and what can be computed beforehand.
//!
//! The free dimension of the inputs, the number of rows, is one. With it every shape is known, and so is
//! what the graph computes from shapes. Operators that only rename or reshape a value leave no step.

use std::collections::HashMap;

use super::network::{
    Binary, Kind, Memory, Network, Operand, Operation, Piece, Place, Sizes, Step, Unary,
};
use super::onnx::{self, Attribute, Data, Input, Model, Node, Tensor};
use super::problem::Problem;

/// The versions of ONNX's operators in which those below mean the same.
const OPSETS: std::ops::RangeInclusive<i64> = 11..=22;

/// How many numbers the values of a network may have together. The published ones have some thousands;
/// a file that asks for millions is damaged.
const LARGEST: usize = 1 << 22;

type Result<T> = std::result::Result<T, Problem>;

/// Compiles a model of two inputs, the codes of categories and the numbers of one row, and one output.
pub(super) fn compile(model: Model) -> Result<Network> {
    if !OPSETS.contains(&model.opset) {
        let rule = format!("operators must be of version {} to {}", OPSETS.start(), OPSETS.end());
        return Err(Problem::new("model", rule, model.opset));
    }
    let mut compiler = Compiler::default();
    for (name, tensor) in model.graph.initializers {
        let value = compiler.constant(tensor);
        compiler.define("initializers", name, value)?;
    }
    // Old files list the initializers among the inputs.
    let inputs: Vec<&Input> = model
        .graph
        .inputs
        .iter()
        .filter(|input| !compiler.values.contains_key(&input.name))
        .collect();
    let [codes, numbers] = inputs[..] else {
        return Err(Problem::new("graph", "two inputs are needed", inputs.len()));
    };
    let codes = compiler.input(codes, Kind::Int)?;
    let numbers = compiler.input(numbers, Kind::Float)?;
    for (index, node) in model.graph.nodes.iter().enumerate() {
        let output = match node.outputs.split_first() {
            Some((first, rest)) if !first.is_empty() && rest.iter().all(String::is_empty) => first,
            _ => {
                let found = format!("{:?}", node.outputs);
                return Err(place(node, index).refuse("a node must have one output", found));
            }
        };
        let value = compiler.node(place(node, index))?;
        compiler.define(&place(node, index).to_string(), output.clone(), value)?;
    }
    let output = match &model.graph.outputs[..] {
        [name] => compiler.values.get(name).ok_or_else(|| {
            Problem::new("graph", "the output must be computed by a node", format!("`{name}`"))
        })?,
        other => return Err(Problem::new("graph", "one output is needed", other.len())),
    };
    if output.operand.kind != Kind::Float {
        return Err(Problem::new("graph", "the output must be floats", "another kind of number"));
    }
    Ok(Network {
        output: output.operand,
        constants: compiler.constants,
        steps: compiler.steps,
        sizes: compiler.sizes,
        codes,
        numbers,
    })
}

/// A node with its position in the graph.
#[derive(Clone, Copy)]
struct At<'a> {
    node: &'a Node,
    index: usize,
}

fn place(node: &Node, index: usize) -> At<'_> {
    At { node, index }
}

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Node { operator, name, byte, .. } = self.node;
        write!(f, "node {} `{operator}`", self.index)?;
        if !name.is_empty() {
            write!(f, " (`{name}`)")?;
        }
        write!(f, " at byte {byte}")
    }
}

impl At<'_> {
    fn refuse(&self, rule: impl Into<String>, found: impl ToString) -> Problem {
        Problem::new(self.to_string(), rule, found)
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.node.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn int(&self, name: &str, otherwise: i64) -> Result<i64> {
        match self.attribute(name) {
            None => Ok(otherwise),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(other) => Err(self.refuse(format!("`{name}` must be an integer"), kind_of(other))),
        }
    }

    fn float(&self, name: &str, otherwise: f32) -> Result<f32> {
        match self.attribute(name) {
            None => Ok(otherwise),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(other) => Err(self.refuse(format!("`{name}` must be a float"), kind_of(other))),
        }
    }

    /// The dimension that an axis means.
    fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        self.position(axis, rank, "an axis")
    }

    /// The position, below `size`, that a number means; from the end where it is negative.
    fn position(&self, number: i64, size: usize, what: &str) -> Result<usize> {
        let position = if number < 0 { number.checked_add(size as i64) } else { Some(number) };
        position
            .and_then(|position| usize::try_from(position).ok())
            .filter(|position| *position < size)
            .ok_or_else(|| self.refuse(format!("{what} must be below {size}"), number))
    }
}

fn kind_of(attribute: &Attribute) -> &'static str {
    match attribute {
        Attribute::Float(_) => "a float",
        Attribute::Int(_) => "an integer",
        Attribute::Ints(_) => "integers",
        Attribute::Tensor(_) => "a tensor",
        Attribute::Other => "something else",
    }
}

/// A value of the graph: its place and its shape.
#[derive(Debug, Clone)]
struct Value {
    operand: Operand,
    shape: Vec<usize>,
}

#[derive(Default)]
struct Compiler {
    constants: Vec<Data>,
    values: HashMap<String, Value>,
    steps: Vec<Step>,
    sizes: Sizes,
    /// How many numbers were computed beforehand.
    folded: usize,
}

impl Compiler {
    fn constant(&mut self, Tensor { shape, data }: Tensor) -> Value {
        let kind = match data {
            Data::Float(_) => Kind::Float,
            Data::Double(_) => Kind::Double,
            Data::Int(_) => Kind::Int,
        };
        let len = data.len();
        self.constants.push(data);
        let place = Place::Constant(self.constants.len() - 1);
        Value { operand: Operand { kind, place, len }, shape }
    }

    fn define(&mut self, place: &str, name: String, value: Value) -> Result<()> {
        match self.values.insert(name.clone(), value) {
            None => Ok(()),
            Some(_) => {
                Err(Problem::new(place, "a value must be computed once", format!("`{name}` twice")))
            }
        }
    }

    /// The place of an input of one row.
    fn input(&mut self, input: &Input, kind: Kind) -> Result<Operand> {
        let place = format!("input `{}`", input.name);
        let (is_right, needed) = match kind {
            Kind::Int => (matches!(input.elements, onnx::INT32 | onnx::INT64), "integers"),
            Kind::Float | Kind::Double => (input.elements == onnx::FLOAT, "floats"),
        };
        if !is_right {
            let found = format!("type {}", input.elements);
            return Err(Problem::new(place, format!("{needed} are needed"), found));
        }
        let width = match input.shape[..] {
            [None | Some(1), Some(width)] => {
                usize::try_from(width).ok().filter(|width| (1..=LARGEST).contains(width))
            }
            _ => None,
        };
        let width = width.ok_or_else(|| {
            let rule = "the shape must be any number of rows and a number of columns";
            Problem::new(&*place, rule, format!("{:?}", input.shape))
        })?;
        let start = self.reserve(kind, width);
        let operand = Operand { kind, place: Place::Memory(start), len: width };
        self.define(&place, input.name.clone(), Value { operand, shape: vec![1, width] })?;
        Ok(operand)
    }

    fn reserve(&mut self, kind: Kind, len: usize) -> usize {
        let size = match kind {
            Kind::Float => &mut self.sizes.float,
            Kind::Double => &mut self.sizes.double,
            Kind::Int => &mut self.sizes.int,
        };
        let start = *size;
        *size += len;
        start
    }

    /// Appends a step, or takes it now where all that it needs is known.
    fn emit(
        &mut self,
        at: At<'_>,
        operation: Operation,
        inputs: Vec<Operand>,
        kind: Kind,
        shape: Vec<usize>,
    ) -> Result<Value> {
        let len = self.check_size(at, &shape)?;
        let node = at.index;
        if inputs.iter().all(|input| matches!(input.place, Place::Constant(_))) {
            let mut sizes = Sizes::default();
            let data: fn(Memory) -> Data = match kind {
                Kind::Float => {
                    sizes.float = len;
                    |memory| Data::Float(memory.float)
                }
                Kind::Double => {
                    sizes.double = len;
                    |memory| Data::Double(memory.double)
                }
                Kind::Int => {
                    sizes.int = len;
                    |memory| Data::Int(memory.int)
                }
            };
            let mut memory = Memory::new(sizes);
            Step { operation, inputs, kind, start: 0, len, node }
                .run(&self.constants, &mut memory)
                .map_err(|problem| at.refuse("must be computable", problem))?;
            self.folded += len;
            return Ok(self.constant(Tensor { shape, data: data(memory) }));
        }
        let start = self.reserve(kind, len);
        self.steps.push(Step { operation, inputs, kind, start, len, node });
        Ok(Value { operand: Operand { kind, place: Place::Memory(start), len }, shape })
    }

    /// The number of elements of a shape; refused where memory has no room for them.
    fn check_size(&self, at: At<'_>, shape: &[usize]) -> Result<usize> {
        let Sizes { float, double, int } = self.sizes;
        let rest = LARGEST.saturating_sub(float + double + int + self.folded);
        shape
            .iter()
            .try_fold(1usize, |product, size| product.checked_mul(*size))
            .filter(|len| *len <= rest)
            .ok_or_else(|| {
                let rule = format!("the values of a network must have at most {LARGEST} numbers");
                at.refuse(rule, format!("a value of shape {shape:?}"))
            })
    }

    /// An input, `None` where the node has none at that position.
    fn optional(&self, at: At<'_>, position: usize) -> Result<Option<Value>> {
        match at.node.inputs.get(position).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None => Err(
                    at.refuse("an input must be computed by an earlier node", format!("`{name}`"))
                ),
            },
        }
    }

    fn needed(&self, at: At<'_>, position: usize) -> Result<Value> {
        self.optional(at, position)?
            .ok_or_else(|| at.refuse(format!("input {position} is needed"), "none"))
    }

    /// An input that must not depend on the row.
    fn known(&self, at: At<'_>, position: usize, value: &Value) -> Result<&Data> {
        match value.operand.place {
            Place::Constant(index) => Ok(&self.constants[index]),
            Place::Memory(_) => {
                let rule = format!("input {position} must be a constant");
                Err(at.refuse(rule, "one that depends on the row"))
            }
        }
    }

    fn known_ints(&self, at: At<'_>, position: usize, value: &Value) -> Result<Vec<i64>> {
        match self.known(at, position, value)? {
            Data::Int(numbers) => Ok(numbers.clone()),
            _ => Err(at.refuse(format!("input {position} must be integers"), "floats")),
        }
    }

    fn known_floats(&self, at: At<'_>, position: usize, value: &Value) -> Result<&[f32]> {
        match self.known(at, position, value)? {
            Data::Float(numbers) => Ok(numbers),
            _ => Err(at.refuse(format!("input {position} must be floats"), "other numbers")),
        }
    }

    fn node(&mut self, at: At<'_>) -> Result<Value> {
        if !onnx::is_standard(&at.node.domain) {
            let found = format!("one of `{}`", at.node.domain);
            return Err(at.refuse("an operator must be one of ONNX itself", found));
        }
        match at.node.operator.as_str() {
            "Add" => self.binary(at, Binary::Add),
            "BatchNormalization" => self.batch_normalization(at),
            "Cast" => self.cast(at),
            "Clip" => self.clip(at),
            "Concat" => self.concat(at),
            "Constant" => match at.attribute("value") {
                Some(Attribute::Tensor(tensor)) => Ok(self.constant(tensor.clone())),
                _ => Err(at.refuse("`value` must be a tensor", "none")),
            },
            "Div" => self.binary(at, Binary::Div),
            "Exp" => self.unary(at, Unary::Exp),
            "Gather" => self.gather(at),
            "Gemm" => self.gemm(at),
            "Identity" => self.needed(at, 0),
            "Log" => self.unary(at, Unary::Log),
            "Max" => self.binary(at, Binary::Max),
            "Min" => self.binary(at, Binary::Min),
            "Mul" => self.binary(at, Binary::Mul),
            "Neg" => self.unary(at, Unary::Neg),
            "Relu" => self.unary(at, Unary::Relu),
            "Round" => self.unary(at, Unary::Round),
            "Shape" => {
                let shape = self.needed(at, 0)?.shape;
                let sizes: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
                Ok(self.constant(Tensor { shape: vec![sizes.len()], data: Data::Int(sizes) }))
            }
            "Sigmoid" => self.unary(at, Unary::Sigmoid),
            "Slice" => self.slice(at),
            "Sub" => self.binary(at, Binary::Sub),
            "Unsqueeze" => self.unsqueeze(at),
            other => Err(at.refuse(
                "an operator must be one of Add, BatchNormalization, Cast, Clip, Concat, Constant, \
                 Div, Exp, Gather, Gemm, Identity, Log, Max, Min, Mul, Neg, Relu, Round, Shape, \
                 Sigmoid, Slice, Sub and Unsqueeze",
                format!("`{other}`"),
            )),
        }
    }

    fn unary(&mut self, at: At<'_>, operation: Unary) -> Result<Value> {
        let Value { operand, shape } = self.needed(at, 0)?;
        if operand.kind == Kind::Int && operation != Unary::Neg {
            return Err(at.refuse("the input must be floats", "integers"));
        }
        self.emit(at, Operation::Unary(operation), vec![operand], operand.kind, shape)
    }

    fn clip(&mut self, at: At<'_>) -> Result<Value> {
        let mut bounds = [f64::NEG_INFINITY, f64::INFINITY];
        for (position, bound) in [1, 2].into_iter().zip(&mut bounds) {
            if let Some(value) = self.optional(at, position)? {
                *bound = match self.known(at, position, &value)? {
                    Data::Float(numbers) if numbers.len() == 1 => f64::from(numbers[0]),
                    Data::Double(numbers) if numbers.len() == 1 => numbers[0],
                    _ => return Err(at.refuse("a bound must be one number", "another value")),
                };
            }
        }
        self.unary(at, Unary::Clip { low: bounds[0], high: bounds[1] })
    }

    fn binary(&mut self, at: At<'_>, operation: Binary) -> Result<Value> {
        if at.node.inputs.len() != 2 {
            return Err(at.refuse("two inputs are needed", at.node.inputs.len()));
        }
        let (left, right) = (self.needed(at, 0)?, self.needed(at, 1)?);
        if left.operand.kind != right.operand.kind {
            return Err(at.refuse("both inputs must be of one type", "two types"));
        }
        let without_ones = |shape: &[usize]| -> Vec<usize> {
            shape.iter().copied().skip_while(|size| *size == 1).collect()
        };
        let longer = if left.operand.len >= right.operand.len { &left } else { &right };
        let is_single = left.operand.len == 1 || right.operand.len == 1;
        if !is_single && without_ones(&left.shape) != without_ones(&right.shape) {
            return Err(at.refuse(
                "shapes must be equal, or one of a single number",
                format!("{:?} and {:?}", left.shape, right.shape),
            ));
        }
        let rank = left.shape.len().max(right.shape.len());
        let mut shape = vec![1; rank - longer.shape.len()];
        shape.extend(&longer.shape);
        let kind = left.operand.kind;
        self.emit(at, Operation::Binary(operation), vec![left.operand, right.operand], kind, shape)
    }

    fn cast(&mut self, at: At<'_>) -> Result<Value> {
        let value = self.needed(at, 0)?;
        let kind = match at.int("to", 0)? {
            onnx::FLOAT => Kind::Float,
            onnx::DOUBLE => Kind::Double,
            onnx::INT32 | onnx::INT64 => Kind::Int,
            other => {
                let rule = "`to` must be float, double or an integer (types 1, 11, 6, 7)";
                return Err(at.refuse(rule, format!("type {other}")));
            }
        };
        if kind == value.operand.kind {
            return Ok(value);
        }
        self.emit(at, Operation::Cast, vec![value.operand], kind, value.shape)
    }

    fn unsqueeze(&mut self, at: At<'_>) -> Result<Value> {
        let mut value = self.needed(at, 0)?;
        // Until version 12 the axes were an attribute.
        let axes = match (at.attribute("axes"), self.optional(at, 1)?) {
            (Some(Attribute::Ints(axes)), _) => axes.clone(),
            (_, Some(axes)) => self.known_ints(at, 1, &axes)?,
            (_, None) => return Err(at.refuse("axes are needed", "none")),
        };
        let rank = value.shape.len() + axes.len();
        let mut is_new = vec![false; rank];
        for axis in axes {
            if std::mem::replace(&mut is_new[at.axis(axis, rank)?], true) {
                return Err(at.refuse("axes must be distinct", format!("{axis} twice")));
            }
        }
        let mut old = value.shape.iter();
        // There is an old dimension for each that is not new.
        value.shape =
            is_new.iter().map(|new| if *new { 1 } else { *old.next().unwrap_or(&1) }).collect();
        Ok(value)
    }

    fn concat(&mut self, at: At<'_>) -> Result<Value> {
        let count = at.node.inputs.len();
        let values =
            (0..count).map(|position| self.needed(at, position)).collect::<Result<Vec<_>>>()?;
        let Some(first) = values.first() else {
            return Err(at.refuse("an input is needed", "none"));
        };
        let (kind, mut shape) = (first.operand.kind, first.shape.clone());
        let axis = at.axis(at.int("axis", 0)?, shape.len())?;
        shape[axis] = 0;
        for value in &values {
            let mut other = value.shape.clone();
            let size = other.get_mut(axis).map(|size| std::mem::replace(size, shape[axis]));
            let (Some(size), true) = (size, other == shape && value.operand.kind == kind) else {
                let rule = "inputs must be of one type and, but for the axis, of one shape";
                return Err(at.refuse(rule, format!("{:?} and {:?}", first.shape, value.shape)));
            };
            // Sizes are those of values in memory or in the file, so their sum is one too.
            shape[axis] = shape[axis].saturating_add(size);
        }
        self.check_size(at, &shape)?;
        let inner: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        let pieces = (0..outer)
            .flat_map(|row| {
                values.iter().enumerate().map(move |(input, value)| {
                    let len = value.shape[axis] * inner;
                    Piece { input, start: row * len, len }
                })
            })
            .collect();
        let operands = values.iter().map(|value| value.operand).collect();
        self.emit(at, Operation::Collect(pieces), operands, kind, shape)
    }

    fn slice(&mut self, at: At<'_>) -> Result<Value> {
        let mut value = self.needed(at, 0)?;
        let [starts, ends] = [1, 2].map(|position| {
            self.needed(at, position).and_then(|value| self.known_ints(at, position, &value))
        });
        let (starts, ends) = (starts?, ends?);
        let axes = match self.optional(at, 3)? {
            Some(axes) => self.known_ints(at, 3, &axes)?,
            None => (0..starts.len() as i64).collect(),
        };
        let steps = match self.optional(at, 4)? {
            Some(steps) => self.known_ints(at, 4, &steps)?,
            None => vec![1; starts.len()],
        };
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err(at.refuse("starts, ends, axes and steps must be equally many", "others"));
        }
        if let Some(step) = steps.iter().find(|step| **step != 1) {
            return Err(at.refuse("a step must be 1", step));
        }
        for ((start, end), axis) in starts.into_iter().zip(ends).zip(axes) {
            let axis = at.axis(axis, value.shape.len())?;
            let size = value.shape[axis];
            let position = |number: i64| {
                let number = if number < 0 { number + size as i64 } else { number };
                number.clamp(0, size as i64) as usize
            };
            let (start, end) = (position(start), position(end));
            if start >= end {
                return Err(at.refuse("a slice must not be empty", format!("{start}..{end}")));
            }
            let inner: usize = value.shape[axis + 1..].iter().product();
            let outer: usize = value.shape[..axis].iter().product();
            let mut shape = value.shape.clone();
            shape[axis] = end - start;
            self.check_size(at, &shape)?;
            let pieces = (0..outer)
                .map(|row| Piece {
                    input: 0,
                    start: (row * size + start) * inner,
                    len: (end - start) * inner,
                })
                .collect();
            let kind = value.operand.kind;
            value = self.emit(at, Operation::Collect(pieces), vec![value.operand], kind, shape)?;
        }
        Ok(value)
    }

    fn gather(&mut self, at: At<'_>) -> Result<Value> {
        let (value, numbers) = (self.needed(at, 0)?, self.needed(at, 1)?);
        let axis = at.axis(at.int("axis", 0)?, value.shape.len())?;
        let size = value.shape[axis];
        let (before, after) = (&value.shape[..axis], &value.shape[axis + 1..]);
        let shape = [before, &numbers.shape, after].concat();
        self.check_size(at, &shape)?;
        let inner: usize = after.iter().product();
        let kind = value.operand.kind;
        if numbers.operand.kind != Kind::Int {
            return Err(at.refuse("input 1 must be integers", "floats"));
        }
        if let Place::Memory(_) = numbers.operand.place {
            if axis != 0 || kind != Kind::Float {
                let rule = "rows by a number of the row must be those of a table of floats";
                return Err(at.refuse(rule, format!("axis {axis} of {:?}", value.shape)));
            }
            let operands = vec![value.operand, numbers.operand];
            return self.emit(at, Operation::Lookup { width: inner }, operands, kind, shape);
        }
        let positions = self
            .known_ints(at, 1, &numbers)?
            .into_iter()
            .map(|number| at.position(number, size, "a position"))
            .collect::<Result<Vec<_>>>()?;
        let outer: usize = before.iter().product();
        let pieces = (0..outer)
            .flat_map(|row| {
                positions.iter().map(move |position| Piece {
                    input: 0,
                    start: (row * size + position) * inner,
                    len: inner,
                })
            })
            .collect();
        self.emit(at, Operation::Collect(pieces), vec![value.operand], kind, shape)
    }

    /// `alpha A B + beta C`, with constants `B` and `C`.
    fn gemm(&mut self, at: At<'_>) -> Result<Value> {
        let (left, right) = (self.needed(at, 0)?, self.needed(at, 1)?);
        let ([rows, width], [first, second]) = (&left.shape[..], &right.shape[..]) else {
            let found = format!("{:?} and {:?}", left.shape, right.shape);
            return Err(at.refuse("two matrices are needed", found));
        };
        let (rows, width) = (*rows, *width);
        let is_transposed = at.int("transB", 0)? != 0;
        let (inner, columns) = if is_transposed { (*second, *first) } else { (*first, *second) };
        if at.int("transA", 0)? != 0 || width != inner || left.operand.kind != Kind::Float {
            let rule = "the first factor must be floats, of as many columns as the second has rows";
            let found = format!("{:?} and {:?}", left.shape, right.shape);
            return Err(at.refuse(rule, found));
        }
        let alpha = at.float("alpha", 1.0)?;
        let weights = self.known_floats(at, 1, &right)?;
        let weights = if !is_transposed && alpha == 1.0 {
            right.operand
        } else {
            let weights = (0..weights.len())
                .map(|index| {
                    let (row, column) = (index / columns, index % columns);
                    let from = if is_transposed { column * inner + row } else { index };
                    alpha * weights[from]
                })
                .collect();
            let tensor = Tensor { shape: vec![inner, columns], data: Data::Float(weights) };
            self.constant(tensor).operand
        };
        let beta = at.float("beta", 1.0)?;
        let bias = match self.optional(at, 2)? {
            None => vec![0.0; columns],
            Some(value) => {
                let bias = self.known_floats(at, 2, &value)?;
                let is_row = value.shape.last() == Some(&columns) && bias.len() == columns;
                if !is_row && bias.len() != 1 {
                    let rule = format!("input 2 must be {columns} numbers or one");
                    return Err(at.refuse(rule, format!("shape {:?}", value.shape)));
                }
                bias.iter().cycle().take(columns).map(|number| beta * number).collect()
            }
        };
        let bias = Tensor { shape: vec![columns], data: Data::Float(bias) };
        let bias = self.constant(bias).operand;
        let operands = vec![left.operand, weights, bias];
        self.emit(at, Operation::Product, operands, Kind::Float, vec![rows, columns])
    }

    /// `(x - mean) / sqrt(variance + epsilon) * scale + shift` in each channel.
    fn batch_normalization(&mut self, at: At<'_>) -> Result<Value> {
        let value = self.needed(at, 0)?;
        let channels = value.shape.get(1).copied().unwrap_or(0);
        if value.operand.kind != Kind::Float || at.int("training_mode", 0)? != 0 {
            return Err(at.refuse("the input must be floats, and nothing trained", "other"));
        }
        let epsilon = at.float("epsilon", 1e-5)?;
        let mut of_channels = Vec::with_capacity(4);
        for position in 1..=4 {
            let numbers = self.needed(at, position)?;
            let numbers = self.known_floats(at, position, &numbers)?;
            if numbers.len() != channels {
                let rule = format!("input {position} must have a number for each channel");
                return Err(at.refuse(rule, format!("{} for {channels}", numbers.len())));
            }
            of_channels.push(numbers);
        }
        let factors: Vec<f32> = (0..channels)
            .map(|channel| of_channels[0][channel] / (of_channels[3][channel] + epsilon).sqrt())
            .collect();
        let shifts: Vec<f32> = (0..channels)
            .map(|channel| of_channels[1][channel] - of_channels[2][channel] * factors[channel])
            .collect();
        let [factors, shifts] = [factors, shifts].map(|numbers| {
            let tensor = Tensor { shape: vec![channels], data: Data::Float(numbers) };
            self.constant(tensor).operand
        });
        let inner = value.shape[2..].iter().product();
        let operands = vec![value.operand, factors, shifts];
        self.emit(at, Operation::Scale { inner }, operands, Kind::Float, value.shape)
    }
}
