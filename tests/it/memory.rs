//! How much memory a run takes, held against what its tensors need at least.
//!
//! A value is dropped as soon as nobody reads it, and operators that can write into what they read. So
//! there is no plan of buffers: this test says that there need not be one, and that what the page is
//! told before a run is what a run takes.

use std::collections::BTreeMap;
use std::path::Path;

use bitlens::exec::{Executor, NoProbe, Probe, least_peak};
use bitlens::ir::{Operation as _, ValueId};
use bitlens::ops::{Graph, Isa, Kind};
use bitlens::session::Footprint;
use bitlens::tensor::{Dim, Value};
use bitlens::{onnx, passes};

use crate::allocation::peak_of;
use crate::support::data_folder;
use crate::{root, shown};

/// Beside tensors a run has tables and shapes.
const TABLES: usize = 1 << 16;

/// What a convolution lays out at a time: `TILE_ELEMENTS` of `kernels/generic/conv_f32.rs`, `TILE_BYTES` of
/// `conv_i8.rs`.
const FLOAT_TILE: usize = 4 * 64 * 1024;
const INTEGER_TILE: usize = 464 * 1024;

/// Bytes of every value of a run.
#[derive(Default)]
struct Sizes(BTreeMap<ValueId, usize>);

impl Probe for Sizes {
    fn observe(&mut self, id: ValueId, value: &Value) {
        self.0.insert(id, value.size_bytes());
    }
}

/// The input of a network that takes one picture, open sizes as 224, the batch as 1.
fn input(graph: &Graph) -> Value {
    let ty = graph.value(graph.inputs()[0]).ty.clone().unwrap();
    let dims = ty.shape.dims().unwrap().iter().enumerate();
    let sizes: Vec<usize> =
        dims.map(|(at, dim)| Dim::fixed(dim).unwrap_or(if at == 0 { 1 } else { 224 })).collect();
    Value::zeros::<f32>(&sizes).unwrap()
}

/// Peak of a run in bytes, and the least that it can be.
fn peaks(graph: Graph) -> (usize, usize) {
    let executor = Executor::new(graph, Isa::best()).unwrap();
    let given = [input(executor.graph())];
    let mut sizes = Sizes::default();
    executor.run(&given, &mut sizes).unwrap();
    let (_, peak) = peak_of(|| executor.run(&given, &mut NoProbe).unwrap());
    let graph = executor.graph();
    let least = least_peak(graph, |id| sizes.0.get(&id).copied().unwrap_or(0)).unwrap();
    if graph.nodes().all(|(_, node)| !node.op.op_type().starts_with("bitlens.")) {
        assert_eq!(Footprint::of(graph, given[0].shape()).unwrap().activations, least);
    }
    (peak, least)
}

/// Holds a network of a file, in float and where it is quantized on integers, against its bound.
fn check(path: &Path) {
    let imported = onnx::import_owned(std::fs::read(path).unwrap()).unwrap();
    let graph = passes::simplify(&imported.graph).unwrap();
    let is_quantized = graph.nodes().any(|(_, node)| node.op.facts().kind == Kind::Quantize);
    let integer = is_quantized.then(|| passes::lower_int8(&graph).unwrap().graph);
    for (form, graph, tile) in [("float", Some(graph), FLOAT_TILE), ("integer", integer, INTEGER_TILE)] {
        let Some((peak, least)) = graph.map(peaks) else { continue };
        let words = format!("{}, {form}: {peak} bytes, at least {least}", shown(path));
        println!("{words}");
        assert!(peak <= least + least / 10 + tile + TABLES, "{words}");
    }
}

#[test]
fn a_run_takes_hardly_more_than_its_tensors_need_at_least() {
    for name in ["sample_resnet", "sample_mobilenet"] {
        check(&root().join(format!("www/public/sample/{name}.onnx")));
    }
}

#[test]
fn so_does_a_run_of_a_real_network() {
    let Some(data) = data_folder() else { return };
    for name in [
        "imagenet/squeezenet_v1.1",
        "imagenet/mobilenet_v2_1.0_224_dequant",
        "cifar10/resnet56",
        "quantized/mobilenet_v1_0.25_224_qdq",
    ] {
        check(&data.join(format!("models/{name}.onnx")));
    }
}
