//! A writer of ONNX files for tests.

pub(super) enum Numbers<'a> {
    Floats(&'a [f32]),
    Doubles(&'a [f64]),
    Ints(&'a [i64]),
}

pub(super) enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Tensor(Vec<u8>),
}

pub(super) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

pub(super) fn int(field: u64, number: i64) -> Vec<u8> {
    [varint(field << 3), varint(number as u64)].concat()
}

pub(super) fn bytes(field: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// With the data as raw bytes.
pub(super) fn tensor(name: &str, shape: &[i64], numbers: &Numbers<'_>) -> Vec<u8> {
    let (kind, raw): (i64, Vec<u8>) = match numbers {
        Numbers::Floats(numbers) => (1, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Numbers::Doubles(numbers) => (11, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Numbers::Ints(numbers) => (7, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
    };
    let shape: Vec<u8> = shape.iter().flat_map(|size| int(1, *size)).collect();
    [shape, int(2, kind), bytes(8, name), bytes(9, raw)].concat()
}

pub(super) fn node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[(&str, Attribute<'_>)],
) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name)).collect();
    node.extend(bytes(2, output));
    node.extend(bytes(4, operator));
    for (name, value) in attributes {
        let value = match value {
            Attribute::Float(number) => {
                [varint(2 << 3 | 5), number.to_le_bytes().to_vec(), int(20, 1)].concat()
            }
            // Zero is left out, as writers do.
            Attribute::Int(0) => int(20, 2),
            Attribute::Int(number) => [int(3, *number), int(20, 2)].concat(),
            Attribute::Ints(numbers) => {
                let numbers: Vec<u8> = numbers.iter().flat_map(|number| int(8, *number)).collect();
                [numbers, int(20, 7)].concat()
            }
            Attribute::Tensor(tensor) => [bytes(5, tensor), int(20, 4)].concat(),
        };
        node.extend(bytes(5, [bytes(1, name), value].concat()));
    }
    node
}

/// A constant without an initializer.
pub(super) fn constant(output: &str, shape: &[i64], numbers: &Numbers<'_>) -> Vec<u8> {
    node("Constant", &[], output, &[("value", Attribute::Tensor(tensor("", shape, numbers)))])
}

/// A model of rows `cat` of integers and `cont` of floats, with the output `y`.
pub(super) fn model(
    opset: i64,
    widths: [i64; 2],
    initializers: &[Vec<u8>],
    nodes: &[Vec<u8>],
) -> Vec<u8> {
    let mut graph: Vec<u8> = nodes.iter().flat_map(|node| bytes(1, node)).collect();
    graph.extend(initializers.iter().flat_map(|tensor| bytes(5, tensor)));
    for ((name, kind), width) in [("cat", 6), ("cont", 1)].into_iter().zip(widths) {
        let shape = [bytes(1, bytes(2, "batch")), bytes(1, int(1, width))].concat();
        let kind = [int(1, kind), bytes(2, shape)].concat();
        graph.extend(bytes(11, [bytes(1, name), bytes(2, bytes(1, kind))].concat()));
    }
    graph.extend(bytes(12, bytes(1, "y")));
    [int(1, 7), bytes(2, "test"), bytes(7, graph), bytes(8, int(2, opset))].concat()
}

/// The network of a scenario with one category of three and three numbers, and twelve targets. It has the
/// operators of the published ones.
pub(super) fn small() -> Vec<u8> {
    use Attribute::{Float, Int};
    let eight: Vec<f32> = (0..8).map(|index| index as f32 / 8.0).collect();
    let table = tensor("table", &[3, 2], &Numbers::Floats(&[0.0, 1.0, 0.5, -0.5, -1.0, 0.25]));
    let first: Vec<f32> = (0..40).map(|index| ((index * 7) % 11) as f32 / 11.0 - 0.5).collect();
    let head: Vec<f32> = (0..48).map(|index| ((index * 5) % 13) as f32 / 13.0 - 0.5).collect();
    let bias: Vec<f32> = (0..12).map(|index| index as f32 / 20.0).collect();
    let initializers = [
        table,
        tensor("first", &[8, 5], &Numbers::Floats(&first)),
        tensor("eight", &[8], &Numbers::Floats(&eight)),
        tensor("ones", &[8], &Numbers::Floats(&[1.0; 8])),
        tensor("head", &[12, 4], &Numbers::Floats(&head)),
        tensor("bias", &[12], &Numbers::Floats(&bias)),
    ];
    let nodes = [
        constant("zero", &[], &Numbers::Ints(&[0])),
        constant("one", &[], &Numbers::Ints(&[1])),
        constant("axes", &[1], &Numbers::Ints(&[1])),
        node("Gather", &["cat", "zero"], "code", &[("axis", Int(1))]),
        node("Gather", &["table", "code"], "embedded", &[]),
        // The second number on a log scale, in 64 bits.
        node("Gather", &["cont", "one"], "s", &[("axis", Int(1))]),
        node("Cast", &["s"], "s64", &[("to", Int(11))]),
        constant("tiny", &[], &Numbers::Doubles(&[1e-12])),
        node("Add", &["s64", "tiny"], "shifted", &[]),
        node("Log", &["shifted"], "logged", &[]),
        node("Cast", &["logged"], "scaled", &[("to", Int(1))]),
        node("Unsqueeze", &["scaled", "axes"], "column", &[]),
        constant("others", &[2], &Numbers::Ints(&[0, -1])),
        node("Gather", &["cont", "others"], "pair", &[("axis", Int(1))]),
        node("Concat", &["embedded", "pair", "column"], "x", &[("axis", Int(1))]),
        node("Gemm", &["x", "first", "eight"], "h", &[("alpha", Float(1.0)), ("transB", Int(1))]),
        node("BatchNormalization", &["h", "ones", "eight", "eight", "ones"], "normed", &[]),
        // Halves by the shape, as a gated unit is exported.
        node("Shape", &["normed"], "shape", &[]),
        constant("last", &[1], &Numbers::Ints(&[-1])),
        constant("two", &[1], &Numbers::Ints(&[2])),
        constant("start", &[1], &Numbers::Ints(&[0])),
        node("Gather", &["shape", "last"], "width", &[]),
        node("Div", &["width", "two"], "half", &[]),
        node("Slice", &["normed", "start", "half", "last"], "p", &[]),
        node("Slice", &["normed", "half", "width", "last"], "q", &[]),
        node("Relu", &["q"], "gate", &[]),
        node("Mul", &["p", "gate"], "gated", &[]),
        node("Gemm", &["gated", "head", "bias"], "out", &[("transB", Int(1))]),
        node("Sigmoid", &["out"], "y", &[]),
    ];
    model(13, [1, 3], &initializers, &nodes)
}
