//! Networks: opened, run, and profiled node by node.

use crate::now;
use bitlens::exec::{Executor, NoProbe, Probe};
use bitlens::ir::{Operation as _, ValueId};
use bitlens::ops::{Graph, Isa, Kind, Node, Op};
use bitlens::session::{Network, QuantizedModel};
use bitlens::tensor::Value;
use std::cell::RefCell;
use std::fmt::Write as _;

#[derive(Default)]
struct State {
    networks: Vec<Executor>,
    image: Option<Value>,
    output: Vec<Value>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

type Result<T> = core::result::Result<T, String>;

/// Makes a file ready to run as the page does: on integers where it is quantized.
pub(crate) fn open(file: Vec<u8>) -> Result<i32> {
    let isa = Isa::best();
    let full = Network::load("network.onnx", file.clone(), isa).map_err(|error| error.to_string())?;
    let executor = if full.is_quantized() {
        drop(full);
        QuantizedModel::open(file, isa).map_err(|error| error.to_string())?.integer.executor
    } else {
        full.model.executor
    };
    Ok(STATE.with_borrow_mut(|state| {
        state.networks.push(executor);
        state.networks.len() as i32 - 1
    }))
}

pub(crate) fn set_image(bytes: &[u8], side: usize) -> Result<()> {
    let numbers = bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let value = Value::from_vec(&[1, 3, side, side], numbers.collect()).map_err(|error| error.to_string())?;
    STATE.with_borrow_mut(|state| state.image = Some(value));
    Ok(())
}

fn with_network<T>(index: usize, visit: impl FnOnce(&Executor, &[Value]) -> Result<T>) -> Result<T> {
    STATE.with_borrow(|state| {
        let network = state.networks.get(index).ok_or("no such network")?;
        visit(network, state.image.as_slice())
    })
}

pub(crate) fn run(index: usize) -> Result<()> {
    let output = with_network(index, |executor, image| {
        executor.run(image, &mut NoProbe).map_err(|error| error.to_string())
    })?;
    STATE.with_borrow_mut(|state| state.output = output);
    Ok(())
}

pub(crate) fn output() -> Vec<u8> {
    STATE.with_borrow(|state| {
        let reals = state.output.first().and_then(|value| value.as_slice::<f32>().ok());
        reals.unwrap_or_default().iter().flat_map(|x| x.to_le_bytes()).collect()
    })
}

/// Reads the clock whenever a value was made.
struct Stopwatch {
    last: f64,
    /// Least time of each value, over all runs, and its shape.
    values: Vec<Option<(f64, Vec<usize>)>>,
}

impl Probe for Stopwatch {
    fn observe(&mut self, id: ValueId, value: &Value) {
        let time = now();
        let spent = time - self.last;
        let slot = &mut self.values[id.index()];
        let least = slot.as_ref().map_or(spent, |(least, _)| least.min(spent));
        *slot = Some((least, value.shape().to_vec()));
        self.last = now();
    }

    /// A convolution and the sum behind it are measured as they run.
    fn watches(&self, _: ValueId) -> bool {
        false
    }
}

/// A line a node: operator, shape of the output, least milliseconds of all runs, multiply-accumulates.
pub(crate) fn profile(index: usize, runs: usize) -> Result<String> {
    with_network(index, |executor, image| {
        let graph = executor.graph();
        let mut watch = Stopwatch { last: 0.0, values: vec![None; graph.value_count()] };
        for _ in 0..runs {
            watch.last = now();
            executor.run(image, &mut watch).map_err(|error| error.to_string())?;
        }
        let mut lines = Vec::new();
        // A convolution whose output nobody saw ran with the sum that follows it.
        let mut first: Option<&Node> = None;
        for (node, _) in executor.kernels() {
            if let Some((least, shape)) = &watch.values[node.outputs[0].index()] {
                lines.push(line(graph, (first.take(), node), *least, shape));
            } else {
                first = Some(node);
            }
        }
        Ok(format!("[{}]", lines.join(",\n")))
    })
}

fn line(graph: &Graph, (first, last): (Option<&Node>, &Node), milliseconds: f64, shape: &[usize]) -> String {
    let node = first.unwrap_or(last);
    let op = first.map_or(String::new(), |first| format!("{} + ", first.op.op_type())) + last.op.op_type();
    let weight = match &node.op {
        Op::QConv(conv) => Some(conv.weight.shape()),
        Op::QGemm(gemm) => Some(gemm.weight.shape()),
        op if matches!(op.facts().kind, Kind::Linear(_)) => {
            node.inputs.get(1).copied().flatten().and_then(|id| graph.constant(id)).map(Value::shape)
        }
        _ => None,
    };
    let (window, groups) = match &node.op {
        Op::QConv(conv) => (Some(&conv.conv.window), conv.conv.groups),
        Op::Conv(conv) => (Some(&conv.window), conv.groups),
        _ => (None, 1),
    };
    let macs = weight.map_or(0, |weight| {
        let outputs: usize = shape.iter().product();
        // One output channel's weights; a dense layer's are a row or a column.
        let channels = if weight.len() == 2 { *shape.last().unwrap_or(&1) } else { weight[0] };
        outputs * (weight.iter().product::<usize>() / channels.max(1))
    });
    let mut text = String::new();
    let stride = window.map_or(1, |window| window.strides.first().copied().unwrap_or(1));
    let _ = write!(
        text,
        r#"{{"op":"{op}","shape":{shape:?},"weight":{:?},"groups":{groups},"stride":{stride},"ms":{milliseconds:.4},"macs":{macs}}}"#,
        weight.unwrap_or_default(),
    );
    text
}
