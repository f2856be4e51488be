//! The reader of ONNX files: of the protocol buffers' wire format as much as a trained network needs.
//!
//! A message is a sequence of fields, each a key (`number << 3 | wire type`, a variable-length integer)
//! and a value: a variable-length integer (wire type 0), eight bytes (1), a length with as many bytes (2)
//! or four bytes (5). A message within a message is such bytes. Unknown fields are skipped, of a field
//! given twice that may stand once the last counts. Nothing is allocated by a length that the file
//! claims: bytes are borrowed, and numbers are counted against the bytes that are there.
//!
//! Source: the field numbers of `onnx.proto3` (ONNX 1.x, `ModelProto` and what it is made of).

use super::problem::Problem;

/// A model: one graph, and the version of the operators that it is written in.
#[derive(Debug, PartialEq)]
pub(super) struct Model {
    /// Of the operators of ONNX itself.
    pub opset: i64,
    pub graph: Graph,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Graph {
    /// Each comes after those that compute its inputs.
    pub nodes: Vec<Node>,
    /// Weights by name.
    pub initializers: Vec<(String, Tensor)>,
    pub inputs: Vec<Input>,
    pub outputs: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Node {
    pub name: String,
    pub operator: String,
    /// Whose operator it is; empty for ONNX itself.
    pub domain: String,
    /// An input that is left out has no name.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: Vec<(String, Attribute)>,
    /// Where it begins in the file.
    pub byte: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Tensor(Tensor),
    /// Of a kind that no operator here reads.
    Other,
}

/// What a graph is given.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Input {
    pub name: String,
    /// ONNX's number of the type of the elements.
    pub elements: i64,
    /// `None` where the dimension is free.
    pub shape: Vec<Option<i64>>,
}

/// An array with its shape; both have the same number of elements.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

/// The elements of an array. Integers of 32 bits are held in 64.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Float(Vec<f32>),
    Double(Vec<f64>),
    Int(Vec<i64>),
}

/// ONNX's numbers of the types of elements.
pub(super) const FLOAT: i64 = 1;
pub(super) const INT32: i64 = 6;
pub(super) const INT64: i64 = 7;
pub(super) const DOUBLE: i64 = 11;

type Result<T> = std::result::Result<T, Problem>;

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<Model> {
    let mut message = Message { what: "model", bytes, base: 0, at: 0 };
    let mut opset = None;
    let mut graph = None;
    while let Some(field) = message.next()? {
        match field.number {
            7 => graph = Some(read_graph(field.message("graph")?)?),
            8 => {
                let (domain, version) = read_opset(field.message("operator set")?)?;
                if is_standard(&domain) {
                    opset = Some(version);
                }
            }
            _ => {}
        }
    }
    let missing = |what: &str| Problem::new("model", format!("{what} is needed"), "none");
    Ok(Model {
        opset: opset.ok_or_else(|| missing("the version of the operators"))?,
        graph: graph.ok_or_else(|| missing("a graph"))?,
    })
}

/// Whether operators of a domain are those of ONNX itself.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn read_opset(mut message: Message<'_>) -> Result<(String, i64)> {
    let (mut domain, mut version) = (String::new(), 0);
    while let Some(field) = message.next()? {
        match field.number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn read_graph(mut message: Message<'_>) -> Result<Graph> {
    let mut graph = Graph::default();
    while let Some(field) = message.next()? {
        match field.number {
            1 => graph.nodes.push(read_node(field.message("node")?)?),
            5 => {
                let (name, tensor) = read_tensor(field.message("initializer")?)?;
                graph.initializers.push((name, tensor));
            }
            11 => graph.inputs.push(read_input(field.message("input")?)?),
            12 => graph.outputs.push(read_input(field.message("output")?)?.name),
            15 => return Err(field.refuse("initializers must be dense", "a sparse one")),
            _ => {}
        }
    }
    Ok(graph)
}

fn read_node(mut message: Message<'_>) -> Result<Node> {
    let mut node = Node { byte: message.base, ..Node::default() };
    while let Some(field) = message.next()? {
        match field.number {
            1 => node.inputs.push(field.text()?),
            2 => node.outputs.push(field.text()?),
            3 => node.name = field.text()?,
            4 => node.operator = field.text()?,
            5 => node.attributes.push(read_attribute(field.message("attribute")?)?),
            7 => node.domain = field.text()?,
            _ => {}
        }
    }
    Ok(node)
}

fn read_attribute(mut message: Message<'_>) -> Result<(String, Attribute)> {
    let mut name = String::new();
    let mut value = Attribute::Other;
    let mut ints = Vec::new();
    let (mut single, mut kind) = (0, None);
    while let Some(field) = message.next()? {
        match field.number {
            1 => name = field.text()?,
            2 => value = Attribute::Float(f32::from_le_bytes(field.four()?)),
            3 => single = field.int()?,
            5 => value = Attribute::Tensor(read_tensor(field.message("tensor")?)?.1),
            8 => field.ints(&mut ints)?,
            20 => kind = Some(field.int()?),
            _ => {}
        }
    }
    // Zero and an empty list leave no field, so the kind says that they are there.
    Ok((
        name,
        match kind {
            Some(1) if value == Attribute::Other => Attribute::Float(0.0),
            Some(2) => Attribute::Int(single),
            Some(7) => Attribute::Ints(ints),
            _ => value,
        },
    ))
}

fn read_input(mut message: Message<'_>) -> Result<Input> {
    let mut input = Input::default();
    while let Some(field) = message.next()? {
        match field.number {
            1 => input.name = field.text()?,
            2 => {
                let mut kind = field.message("type")?;
                while let Some(field) = kind.next()? {
                    if field.number == 1 {
                        read_tensor_type(field.message("tensor type")?, &mut input)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(input)
}

fn read_tensor_type(mut message: Message<'_>, input: &mut Input) -> Result<()> {
    while let Some(field) = message.next()? {
        match field.number {
            1 => input.elements = field.int()?,
            2 => {
                input.shape.clear();
                let mut shape = field.message("shape")?;
                while let Some(field) = shape.next()? {
                    if field.number == 1 {
                        input.shape.push(read_dimension(field.message("dimension")?)?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_dimension(mut message: Message<'_>) -> Result<Option<i64>> {
    let mut size = None;
    while let Some(field) = message.next()? {
        match field.number {
            1 => size = Some(field.int()?),
            2 => size = None,
            _ => {}
        }
    }
    Ok(size)
}

fn read_tensor(mut message: Message<'_>) -> Result<(String, Tensor)> {
    let place = message.place();
    let (mut name, mut elements, mut dimensions) = (String::new(), 0, Vec::new());
    let (mut floats, mut doubles, mut ints, mut raw) = (Vec::new(), Vec::new(), Vec::new(), None);
    while let Some(field) = message.next()? {
        match field.number {
            1 => field.ints(&mut dimensions)?,
            2 => elements = field.int()?,
            4 => field.numbers(|bytes| floats.push(f32::from_le_bytes(bytes)))?,
            5 | 7 => field.ints(&mut ints)?,
            8 => name = field.text()?,
            9 => raw = Some(field.bytes()?),
            10 => field.numbers(|bytes| doubles.push(f64::from_le_bytes(bytes)))?,
            13 | 14 => {
                return Err(field.refuse("the data must be in this file", "a reference to another"));
            }
            _ => {}
        }
    }
    let place = format!("{place} `{name}`");
    let mut shape = Vec::with_capacity(dimensions.len());
    let mut count = 1usize;
    for dimension in dimensions {
        let size = usize::try_from(dimension).ok().filter(|size| *size > 0);
        let product = size.and_then(|size| count.checked_mul(size));
        let (Some(size), Some(product)) = (size, product) else {
            return Err(Problem::new(place, "a dimension must be a positive size", dimension));
        };
        shape.push(size);
        count = product;
    }
    let data = match (elements, raw) {
        (FLOAT, None) => Data::Float(floats),
        (FLOAT, Some(raw)) => Data::Float(whole(raw, f32::from_le_bytes, &place)?),
        (DOUBLE, None) => Data::Double(doubles),
        (DOUBLE, Some(raw)) => Data::Double(whole(raw, f64::from_le_bytes, &place)?),
        (INT32 | INT64, None) => Data::Int(ints),
        (INT32, Some(raw)) => {
            Data::Int(whole(raw, |bytes| i64::from(i32::from_le_bytes(bytes)), &place)?)
        }
        (INT64, Some(raw)) => Data::Int(whole(raw, i64::from_le_bytes, &place)?),
        (other, _) => {
            return Err(Problem::new(
                place,
                "elements must be floats, doubles or integers of 32 or 64 bits (types 1, 11, 6, 7)",
                format!("type {other}"),
            ));
        }
    };
    let found = data.len();
    if found != count {
        return Err(Problem::new(place, format!("{count} elements are needed"), found));
    }
    Ok((name, Tensor { shape, data }))
}

/// The numbers that bytes are made of.
fn whole<const N: usize, T>(
    bytes: &[u8],
    number: impl Fn([u8; N]) -> T,
    place: &str,
) -> Result<Vec<T>> {
    let (numbers, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        let rule = format!("data must be a whole number of elements of {N} bytes");
        return Err(Problem::new(place, rule, format!("{} bytes", bytes.len())));
    }
    Ok(numbers.iter().map(|bytes| number(*bytes)).collect())
}

impl Data {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Float(data) => data.len(),
            Self::Double(data) => data.len(),
            Self::Int(data) => data.len(),
        }
    }
}

/// A message that is being read.
struct Message<'a> {
    /// What it is, for errors.
    what: &'static str,
    bytes: &'a [u8],
    /// The place of the first byte in the file.
    base: usize,
    at: usize,
}

struct Field<'a> {
    number: u64,
    value: Wire<'a>,
    /// The message that it stands in.
    what: &'static str,
    /// The place of its value in the file; of bytes, of the first.
    byte: usize,
}

enum Wire<'a> {
    Varint(u64),
    Eight([u8; 8]),
    Bytes(&'a [u8]),
    Four([u8; 4]),
}

impl<'a> Message<'a> {
    fn place(&self) -> String {
        format!("byte {} ({})", self.base + self.at, self.what)
    }

    fn next(&mut self) -> Result<Option<Field<'a>>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let place = self.place();
        let key = self.varint()?;
        let mut byte = self.base + self.at;
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Eight(self.array()?),
            2 => {
                let length = self.varint()?;
                byte = self.base + self.at;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Four(self.array()?),
            other => {
                return Err(Problem::new(
                    place,
                    "a field must have wire type 0, 1, 2 or 5",
                    format!("type {other}"),
                ));
            }
        };
        Ok(Some(Field { number: key >> 3, value, what: self.what, byte }))
    }

    fn varint(&mut self) -> Result<u64> {
        let place = self.place();
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Problem::new(place, "an integer must end within ten bytes", "an eleventh"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let place = self.place();
        self.take(N as u64)?
            .try_into()
            .map_err(|_| Problem::new(place, format!("{N} bytes are needed"), "fewer"))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let Some(taken) = taken else {
            let rule = format!("{length} bytes must follow");
            return Err(Problem::new(self.place(), rule, format!("{} to the end", rest.len())));
        };
        self.at += taken.len();
        Ok(taken)
    }
}

impl<'a> Field<'a> {
    fn refuse(&self, rule: impl Into<String>, found: impl ToString) -> Problem {
        let place = format!("byte {} ({}, field {})", self.byte, self.what, self.number);
        Problem::new(place, rule, found)
    }

    fn kind(&self) -> &'static str {
        match self.value {
            Wire::Varint(_) => "an integer",
            Wire::Eight(_) => "eight bytes",
            Wire::Bytes(_) => "a length with bytes",
            Wire::Four(_) => "four bytes",
        }
    }

    fn int(&self) -> Result<i64> {
        match self.value {
            Wire::Varint(number) => Ok(number as i64),
            _ => Err(self.refuse("must be an integer", self.kind())),
        }
    }

    fn four(&self) -> Result<[u8; 4]> {
        match self.value {
            Wire::Four(bytes) => Ok(bytes),
            _ => Err(self.refuse("must be a 32-bit float", self.kind())),
        }
    }

    fn bytes(&self) -> Result<&'a [u8]> {
        match self.value {
            Wire::Bytes(bytes) => Ok(bytes),
            _ => Err(self.refuse("must be bytes", self.kind())),
        }
    }

    fn text(&self) -> Result<String> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.refuse("must be UTF-8", error)),
        }
    }

    fn message(&self, what: &'static str) -> Result<Message<'a>> {
        Ok(Message { what, bytes: self.bytes()?, base: self.byte, at: 0 })
    }

    /// Appends a repeated integer, which stands alone or many in one field.
    fn ints(&self, into: &mut Vec<i64>) -> Result<()> {
        if let Wire::Varint(number) = self.value {
            into.push(number as i64);
            return Ok(());
        }
        let mut message = self.message(self.what)?;
        while message.at < message.bytes.len() {
            into.push(message.varint()? as i64);
        }
        Ok(())
    }

    /// Hands over a repeated number of `N` bytes, which stands alone or many in one field.
    fn numbers<const N: usize>(&self, mut push: impl FnMut([u8; N])) -> Result<()> {
        let bytes = match &self.value {
            Wire::Four(bytes) => &bytes[..],
            Wire::Eight(bytes) => &bytes[..],
            Wire::Bytes(bytes) => bytes,
            Wire::Varint(_) => {
                return Err(self.refuse(format!("must be numbers of {N} bytes"), self.kind()));
            }
        };
        let (numbers, rest) = bytes.as_chunks::<N>();
        if !rest.is_empty() {
            let rule = format!("must be a whole number of elements of {N} bytes");
            return Err(self.refuse(rule, format!("{} bytes", bytes.len())));
        }
        numbers.iter().for_each(|bytes| push(*bytes));
        Ok(())
    }
}
