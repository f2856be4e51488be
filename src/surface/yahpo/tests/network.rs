//! The reader and the networks, on files written by hand.

use proptest::prelude::*;

use super::bytes::{Attribute, Numbers, bytes, constant, int, model, node, small, tensor};
use crate::surface::yahpo::compile::compile;
use crate::surface::yahpo::network::Network;
use crate::surface::yahpo::onnx::{self, Data};
use crate::surface::yahpo::problem::Problem;

fn network(file: &[u8]) -> Result<Network, Problem> {
    onnx::read(file).and_then(compile)
}

/// What a graph without initializers computes from three numbers.
fn result(nodes: &[Vec<u8>]) -> Vec<f32> {
    let network = network(&model(13, [1, 3], &[], nodes)).unwrap();
    network.evaluate(&[1], &[0.5, -2.0, 3.0]).unwrap()
}

fn refusal(file: &[u8]) -> String {
    let Problem { place, rule, found } = network(file).unwrap_err();
    format!("{place}: {rule}, found {found}")
}

fn refusal_of(nodes: &[Vec<u8>]) -> String {
    refusal(&model(13, [1, 3], &[], nodes))
}

#[test]
fn tensors_are_read_raw_and_typed_packed_and_not() {
    let floats = [1.5f32, -2.0];
    let packed: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
    let single: Vec<u8> =
        floats.iter().flat_map(|x| [vec![4 << 3 | 5], x.to_le_bytes().to_vec()].concat()).collect();
    let head = [bytes(1, [2]), int(2, 1)].concat();
    for data in [bytes(9, &packed), bytes(4, &packed), single] {
        let file = [&head[..], &bytes(8, "w"), &data].concat();
        let graph = [bytes(5, file), bytes(12, bytes(1, "w"))].concat();
        let model = onnx::read(&[bytes(7, graph), bytes(8, int(2, 13))].concat()).unwrap();
        let (name, tensor) = &model.graph.initializers[0];
        assert_eq!((name.as_str(), &tensor.shape[..]), ("w", &[2][..]));
        assert_eq!(tensor.data, Data::Float(floats.to_vec()));
    }
    // Integers of 32 bits, of which a negative one takes ten bytes.
    let ints = [bytes(1, [2]), int(2, 6), int(5, 7), int(5, -1)].concat();
    let file = [bytes(7, bytes(5, ints)), bytes(8, int(2, 13))].concat();
    let model = onnx::read(&file).unwrap();
    assert_eq!(model.graph.initializers[0].1.data, Data::Int(vec![7, -1]));
}

#[test]
fn a_dense_layer_is_its_product() {
    let weights = [1.0, 2.0, 3.0, -1.0, 0.5, 0.25];
    let file = |transposed: i64, shape: &[i64], weights: &[f32]| {
        let initializers = [
            tensor("w", shape, &Numbers::Floats(weights)),
            tensor("b", &[2], &Numbers::Floats(&[10.0, 20.0])),
        ];
        let attributes = [
            ("alpha", Attribute::Float(2.0)),
            ("beta", Attribute::Float(0.5)),
            ("transB", Attribute::Int(transposed)),
        ];
        let nodes =
            [node("Gemm", &["cont", "w", "b"], "z", &attributes), node("Relu", &["z"], "y", &[])];
        model(13, [1, 3], &initializers, &nodes)
    };
    // 2 (1 - 4 + 9) + 5 and 2 (-1 - 1 + 0.75) + 10
    for file in [file(1, &[2, 3], &weights), file(0, &[3, 2], &[1.0, -1.0, 2.0, 0.5, 3.0, 0.25])] {
        let y = network(&file).unwrap().evaluate(&[0], &[1.0, -2.0, 3.0]).unwrap();
        assert_eq!(y, [17.0, 7.5]);
    }
}

#[test]
fn products_of_every_width_and_height_are_right() {
    for (rows, columns) in [(1, 1), (2, 8), (3, 9), (4, 64), (5, 7), (7, 73), (13, 140)] {
        let number = |index: usize| ((index * 37 + 11) % 101) as f32 / 101.0 - 0.5;
        let matrix: Vec<f32> = (0..rows * columns).map(number).collect();
        let x: Vec<f32> = (0..rows).map(|index| number(index + 5)).collect();
        let shift: Vec<f32> = (0..columns).map(|index| number(index + 9)).collect();
        let mut into = vec![f32::NAN; columns];
        crate::nn::kernel::affine(&x, &matrix, &shift, &mut into);
        for column in 0..columns {
            let exact: f64 = (0..rows)
                .map(|row| f64::from(matrix[row * columns + column]) * f64::from(x[row]))
                .sum::<f64>()
                + f64::from(shift[column]);
            let found = f64::from(into[column]);
            assert!((found - exact).abs() < 1e-5, "{rows} x {columns}: {column}");
        }
    }
}

#[test]
fn elementwise_operators_follow_the_standard() {
    let numbers = |operator: &str| result(&[node(operator, &["cont"], "y", &[])]);
    assert_eq!(numbers("Relu"), [0.5, 0.0, 3.0]);
    assert_eq!(numbers("Neg"), [-0.5, 2.0, -3.0]);
    assert_eq!(numbers("Identity"), [0.5, -2.0, 3.0]);
    // Halves go to the even neighbour.
    assert_eq!(numbers("Round"), [0.0, -2.0, 3.0]);
    assert_eq!(numbers("Exp"), [0.5f32.exp(), (-2f32).exp(), 3f32.exp()]);
    assert!(numbers("Log")[1].is_nan());
    assert_eq!(numbers("Sigmoid")[0], 1.0 / (1.0 + (-0.5f32).exp()));
    let with_two = |operator: &str| {
        let two = constant("two", &[1], &Numbers::Floats(&[2.0]));
        result(&[two, node(operator, &["cont", "two"], "y", &[])])
    };
    assert_eq!(with_two("Add"), [2.5, 0.0, 5.0]);
    assert_eq!(with_two("Sub"), [-1.5, -4.0, 1.0]);
    assert_eq!(with_two("Mul"), [1.0, -4.0, 6.0]);
    assert_eq!(with_two("Div"), [0.25, -1.0, 1.5]);
    assert_eq!(with_two("Max"), [2.0, 2.0, 3.0]);
    assert_eq!(with_two("Min"), [0.5, -2.0, 2.0]);
    let low = constant("low", &[], &Numbers::Floats(&[-1.0]));
    let high = constant("high", &[], &Numbers::Floats(&[2.0]));
    let clip = node("Clip", &["cont", "low", "high"], "y", &[]);
    assert_eq!(result(&[low, high.clone(), clip]), [0.5, -1.0, 2.0]);
    assert_eq!(result(&[high, node("Clip", &["cont", "", "high"], "y", &[])]), [0.5, -2.0, 2.0]);
}

#[test]
fn pieces_are_cut_and_joined() {
    let axis = |axis| [("axis", Attribute::Int(axis))];
    let places = constant("places", &[2], &Numbers::Ints(&[-1, 0]));
    let gather = node("Gather", &["cont", "places"], "y", &axis(1));
    assert_eq!(result(&[places, gather]), [3.0, 0.5]);
    let concat = node("Concat", &["cont", "cont"], "y", &axis(-1));
    assert_eq!(result(&[concat]), [0.5, -2.0, 3.0, 0.5, -2.0, 3.0]);
    // The axes as an attribute, as up to version 12.
    let table = constant("a", &[2, 2], &Numbers::Floats(&[1.0, 2.0, 3.0, 4.0]));
    let cut = [
        constant("from", &[2], &Numbers::Ints(&[-2, 1])),
        constant("to", &[2], &Numbers::Ints(&[i64::MAX, -2])),
        constant("both", &[2], &Numbers::Ints(&[1, 0])),
    ];
    let rows = [table, cut[0].clone(), constant("all", &[2], &Numbers::Ints(&[2, 2]))];
    let slice = node("Slice", &["a", "from", "all"], "y", &[]);
    assert_eq!(result(&[&rows[..], &[slice]].concat()), [2.0, 4.0]);
    let slice = node("Slice", &["a", "from", "to", "both"], "y", &[]);
    let message = refusal_of(&[&rows[..1], &cut[..], &[slice]].concat());
    assert!(message.contains("a slice must not be empty, found 1..0"), "{message}");
    let unsqueeze = node("Unsqueeze", &["cont"], "z", &[("axes", Attribute::Ints(&[0, -1]))]);
    let nodes = [
        unsqueeze,
        node("Shape", &["z"], "shape", &[]),
        node("Cast", &["shape"], "y", &[("to", Attribute::Int(1))]),
    ];
    assert_eq!(result(&nodes), [1.0, 1.0, 3.0, 1.0]);
}

#[test]
fn casts_change_the_arithmetic() {
    let to = |kind| [("to", Attribute::Int(kind))];
    // In 32 bits the addend is lost.
    let addend = constant("addend", &[], &Numbers::Doubles(&[1e-9]));
    let three = constant("three", &[], &Numbers::Doubles(&[3.0]));
    let large = constant("large", &[], &Numbers::Doubles(&[1e9]));
    let nodes = [
        addend,
        three,
        large,
        node("Cast", &["cont"], "double", &to(11)),
        node("Add", &["double", "addend"], "sum", &[]),
        node("Sub", &["sum", "double"], "rest", &[]),
        node("Mul", &["rest", "large"], "scaled", &[]),
        node("Cast", &["scaled"], "y", &to(1)),
    ];
    assert!(result(&nodes).iter().all(|value| (value - 1.0).abs() < 1e-6));
    let nodes = [node("Cast", &["cont"], "whole", &to(7)), node("Cast", &["whole"], "y", &to(1))];
    assert_eq!(result(&nodes), [0.0, -2.0, 3.0]);
}

#[test]
fn a_small_network_is_evaluated_and_its_codes_are_checked() {
    let network = network(&small()).unwrap();
    let y = network.evaluate(&[2], &[0.25, 10.0, 0.75]).unwrap();
    // The same by hand, in 64 bits.
    let x = [-1.0, 0.25, 0.25, 0.75, 10f64.ln()];
    let h: Vec<f64> = (0..8)
        .map(|row| {
            let weight = |column: usize| {
                f64::from((((row * 5 + column) * 7) % 11) as f32 / 11.0 - 0.5) * x[column]
            };
            let (sum, eighth): (f64, f64) = ((0..5).map(weight).sum(), row as f64 / 8.0);
            (sum + eighth - eighth) / (1.0f64 + 1e-5).sqrt() + eighth
        })
        .collect();
    let gated: Vec<f64> = (0..4).map(|index| h[index] * h[index + 4].max(0.0)).collect();
    for (row, y) in y.iter().enumerate() {
        let weight = |column: usize| {
            f64::from((((row * 4 + column) * 5) % 13) as f32 / 13.0 - 0.5) * gated[column]
        };
        let sum: f64 = (0..4).map(weight).sum::<f64>() + row as f64 / 20.0;
        let expected = 1.0 / (1.0 + (-sum).exp());
        assert!((f64::from(*y) - expected).abs() < 1e-6, "{row}: {y} for {expected}");
    }
    assert_ne!(network.evaluate(&[0], &[0.25, 10.0, 0.75]).unwrap(), y);
    let error = network.evaluate(&[3], &[0.25, 10.0, 0.75]).unwrap_err();
    assert!(error.contains("a code must be below 3, found 3"), "{error}");
    let error = network.evaluate(&[0, 0], &[0.25, 10.0, 0.75]).unwrap_err();
    assert!(error.contains("needs 1 codes and 3 numbers, found 2 and 3"), "{error}");
}

#[test]
fn what_shapes_compute_is_computed_beforehand() {
    let network = network(&small()).unwrap();
    assert_eq!(network.sizes.double, 3, "only the logarithm is in 64 bits");
    assert_eq!(network.sizes.int, 2, "a code, and its column");
}

#[test]
fn malformed_files_are_refused_with_the_place() {
    assert_eq!(refusal(&[]), "model: the version of the operators is needed, found none");
    let message = refusal(&bytes(8, int(2, 13)));
    assert_eq!(message, "model: a graph is needed, found none");
    let message = refusal(&[0x3a, 0x7f]);
    assert_eq!(message, "byte 2 (model): 127 bytes must follow, found 0 to the end");
    assert!(refusal(&[0x0b]).contains("a field must have wire type 0, 1, 2 or 5, found type 3"));
    assert!(refusal(&[0xff; 11]).contains("an integer must end within ten bytes"));
    let message = refusal(&int(7, 1));
    assert_eq!(message, "byte 1 (model, field 7): must be bytes, found an integer");
    let message = refusal(&model(99, [1, 3], &[], &[]));
    assert_eq!(message, "model: operators must be of version 11 to 22, found 99");

    let with = |tensor: Vec<u8>| refusal(&model(13, [1, 3], &[tensor], &[]));
    let message = with(tensor("w", &[2, 2], &Numbers::Floats(&[1.0; 3])));
    assert!(message.contains("(initializer) `w`: 4 elements are needed, found 3"), "{message}");
    let message = with(tensor("w", &[i64::MAX, i64::MAX], &Numbers::Floats(&[])));
    assert!(message.contains("a dimension must be a positive size"), "{message}");
    let message = with(tensor("w", &[-1], &Numbers::Floats(&[])));
    assert!(message.contains("a dimension must be a positive size, found -1"), "{message}");
    let message = with([int(1, 1), int(2, 10), bytes(8, "w"), bytes(9, [0, 0])].concat());
    assert!(message.contains("elements must be floats, doubles or integers"), "{message}");
    let message = with([int(1, 1), int(2, 1), bytes(8, "w"), bytes(9, [0, 0, 0])].concat());
    assert!(message.contains("a whole number of elements of 4 bytes, found 3 bytes"), "{message}");
    let message = with([int(2, 1), bytes(13, "elsewhere")].concat());
    assert!(message.contains("the data must be in this file"), "{message}");
}

#[test]
fn unfit_graphs_are_refused_with_the_node() {
    let message = refusal_of(&[node("Conv", &["cont"], "y", &[])]);
    assert!(message.starts_with("node 0 `Conv` at byte "), "{message}");
    assert!(message.ends_with("Unsqueeze, found `Conv`"), "{message}");
    let message = refusal_of(&[node("Relu", &["later"], "y", &[])]);
    assert!(message.contains("must be computed by an earlier node, found `later`"), "{message}");
    let message = refusal_of(&[node("Relu", &[], "y", &[])]);
    assert!(message.contains("input 0 is needed, found none"), "{message}");
    let message = refusal_of(&[node("Relu", &["cat"], "y", &[])]);
    assert!(message.contains("the input must be floats, found integers"), "{message}");
    let message = refusal_of(&[node("Identity", &["cat"], "y", &[])]);
    assert!(message.contains("graph: the output must be floats"), "{message}");
    let message = refusal_of(&[node("Relu", &["cont"], "z", &[])]);
    assert!(message.contains("the output must be computed by a node, found `y`"), "{message}");
    let message = refusal_of(&[node("Relu", &["cont"], "cont", &[])]);
    assert!(message.contains("a value must be computed once, found `cont` twice"), "{message}");
    let message = refusal_of(&[node("Add", &["cont", "cat"], "y", &[])]);
    assert!(message.contains("both inputs must be of one type"), "{message}");
    let two = constant("two", &[2], &Numbers::Floats(&[1.0, 2.0]));
    let message = refusal_of(&[two.clone(), node("Add", &["cont", "two"], "y", &[])]);
    assert!(message.contains("shapes must be equal, or one of a single number"), "{message}");
    let message = refusal_of(&[two, node("Gemm", &["cont", "two"], "y", &[])]);
    assert!(message.contains("two matrices are needed, found [1, 3] and [2]"), "{message}");
    let axis = [("axis", Attribute::Int(2))];
    let message = refusal_of(&[node("Concat", &["cont"], "y", &axis)]);
    assert!(message.contains("an axis must be below 2, found 2"), "{message}");
    let four = constant("four", &[], &Numbers::Ints(&[3]));
    let axis = [("axis", Attribute::Int(1))];
    let message = refusal_of(&[four, node("Gather", &["cont", "four"], "y", &axis)]);
    assert!(message.contains("a position must be below 3, found 3"), "{message}");
    let zero = constant("zero", &[], &Numbers::Ints(&[0]));
    let message = refusal_of(&[zero, node("Div", &["zero", "zero"], "y", &[])]);
    assert!(message.contains("must be computable, found node 1: a division by zero"), "{message}");
    let message = refusal_of(&[node("Cast", &["cont"], "y", &[("to", Attribute::Int(9))])]);
    assert!(message.contains("`to` must be float, double or an integer"), "{message}");
}

#[test]
fn a_file_that_asks_for_too_much_memory_is_refused() {
    let axis = [("axis", Attribute::Int(1))];
    let names: Vec<String> = (0..64).map(|index| format!("v{index}")).collect();
    let mut nodes = vec![node("Concat", &["cont", "cont"], &names[0], &axis)];
    for pair in names.windows(2) {
        nodes.push(node("Concat", &[&pair[0], &pair[0]], &pair[1], &axis));
    }
    let message = refusal_of(&nodes);
    assert!(message.contains("must have at most 4194304 numbers"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A damaged file is refused, or a network that can be evaluated; nothing panics.
    #[test]
    fn damaged_files_do_not_panic(
        cut in 0.0..1.2f64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut file = small();
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        let length = file.len();
        file.truncate((cut * length as f64) as usize);
        if let Ok(network) = network(&file) {
            let codes = vec![0; network.codes()];
            let _ = network.evaluate(&codes, &vec![1.0; network.numbers()]);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(file in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = network(&file);
    }
}
