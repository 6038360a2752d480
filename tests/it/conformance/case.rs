//! One case of the suite: a folder with a network, its inputs and what must come out.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use bitlens::exec::{Executor, NoProbe};
use bitlens::onnx::{self, ImportError};
use bitlens::ops::{Graph, Isa, Op, file_op_types};
use bitlens::passes;
use bitlens::tensor::{DType, Value};
use prost::Message;

use crate::tensors::{self, FileTensor};

/// The suite's own tolerance for floats (`onnx.backend.test.case.base`): of the expected number, …
const RELATIVE: f64 = 1e-3;
/// … and apart from it.
const ABSOLUTE: f64 = 1e-7;

/// A folder of the suite.
#[derive(Debug)]
pub(super) struct Case {
    /// Name of the folder.
    pub(super) name: String,
    /// The operator that the case is about.
    pub(super) family: String,
    /// The operators in its network.
    pub(super) operators: Vec<String>,
    /// Whether Bitlens has every operator in the network.
    pub(super) is_supported: bool,
    folder: PathBuf,
}

/// ONNX `ModelProto`, as far as the operators in it.
#[derive(Message)]
struct ModelProto {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
}

#[derive(Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
}

#[derive(Message)]
struct NodeProto {
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(string, tag = "7")]
    domain: String,
}

impl Case {
    /// All cases in a folder, by name.
    ///
    /// A case `NAME_expanded…` computes the same as `NAME` with the nodes that define its operator,
    /// and belongs to that operator's family.
    pub(super) fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| folder.join(name).join("model.onnx").is_file());
        names.sort();
        let case = |name: &String| {
            let base = name.find("_expanded").map(|at| name[..at].to_owned());
            let base = base.filter(|base| names.binary_search(base).is_ok());
            let own = operators(&folder.join(name));
            let family = match base {
                Some(base) => operators(&folder.join(base)).swap_remove(0),
                None => own[0].clone(),
            };
            let is_known =
                |op: &String| op == "Constant" || file_op_types().any(|known| known == Op::current_name(op));
            let is_supported = own.iter().all(is_known);
            Self { name: name.clone(), family, operators: own, is_supported, folder: folder.join(name) }
        };
        names.iter().map(case).collect()
    }

    /// A case without a folder.
    pub(super) fn new(name: String, family: String, operators: Vec<String>) -> Self {
        Self { name, family, operators, is_supported: true, folder: PathBuf::new() }
    }

    /// Runs the network as it is imported and once more simplified; says what is wrong. A panic is
    /// a failure of this case only.
    pub(super) fn run(&self) -> Result<(), String> {
        let run = panic::catch_unwind(AssertUnwindSafe(|| self.try_run()));
        run.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            Err(format!("panics: {}", text.unwrap_or("without a message")))
        })
    }

    fn try_run(&self) -> Result<(), String> {
        let bytes = fs::read(self.folder.join("model.onnx")).map_err(|error| error.to_string())?;
        let graph = onnx::import_owned(bytes).map_err(|error| match error.reason() {
            ImportError::UnsupportedOperator { op_type, .. } => format!("operator {op_type} is missing"),
            other => other.to_string(),
        });
        let graph = graph?.graph;
        let inputs = self.tensors("input")?.into_iter().map(|tensor| tensor.value).collect::<Vec<_>>();
        let expected = self.tensors("output")?;
        check(&compute(graph.clone(), &inputs)?, &expected)?;
        let simple = passes::simplify(&graph).map_err(|error| format!("simplified: {error}"))?;
        let outputs = compute(simple, &inputs).map_err(|message| format!("simplified: {message}"))?;
        check(&outputs, &expected).map_err(|message| format!("simplified: {message}"))
    }

    /// The tensors `<kind>_0.pb`, `<kind>_1.pb`, …
    fn tensors(&self, kind: &str) -> Result<Vec<FileTensor>, String> {
        let path = |i| self.folder.join(format!("test_data_set_0/{kind}_{i}.pb"));
        let read = |i: usize| {
            let bytes = fs::read(path(i)).map_err(|error| error.to_string())?;
            tensors::read(&bytes).map_err(|message| format!("{kind} {i}: {message}"))
        };
        (0..).take_while(|&i| path(i).is_file()).map(read).collect()
    }
}

/// The operators in a case's network, with the domain in front where it is not ONNX's own.
fn operators(case: &Path) -> Vec<String> {
    let bytes = fs::read(case.join("model.onnx")).unwrap();
    let model = ModelProto::decode(bytes.as_slice()).unwrap();
    let name = |node: NodeProto| match node.domain.as_str() {
        "" => node.op_type,
        domain => format!("{domain}.{}", node.op_type),
    };
    let names: Vec<String> = model.graph.unwrap_or_default().node.into_iter().map(name).collect();
    assert!(!names.is_empty(), "{} has no nodes", case.display());
    names
}

fn compute(graph: Graph, inputs: &[Value]) -> Result<Vec<Value>, String> {
    let executor = Executor::new(graph, Isa::best()).map_err(|error| error.to_string())?;
    executor.run(inputs, &mut NoProbe).map_err(|error| error.to_string())
}

fn check(got: &[Value], expected: &[FileTensor]) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} outputs instead of {}", got.len(), expected.len()));
    }
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        compare(got, expected).map_err(|message| format!("output {i}: {message}"))?;
    }
    Ok(())
}

#[allow(clippy::float_cmp, reason = "infinities, and numbers that must be the same")]
fn compare(got: &Value, expected: &FileTensor) -> Result<(), String> {
    let value = &expected.value;
    if (got.dtype(), got.shape()) != (value.dtype(), value.shape()) {
        let ty = |value: &Value| format!("{} {:?}", value.dtype(), value.shape());
        return Err(format!("{} instead of {}", ty(got), ty(value)));
    }
    let (got, wanted) = match value.dtype() {
        DType::F32 => (wide::<f32>(got), wide::<f32>(value)),
        DType::F64 => (wide::<f64>(got), wide::<f64>(value)),
        _ if got == value => return Ok(()),
        _ => return Err(format!("{got:?} instead of {value:?}")),
    };
    let relative = relative_tolerance(expected.significant_bits);
    let absolute = if relative == 0.0 { 0.0 } else { ABSOLUTE };
    for (i, (&x, &y)) in got.iter().zip(&wanted).enumerate() {
        let is_same = x == y || (x.is_nan() && y.is_nan());
        let is_near = y.is_finite() && (x - y).abs() <= absolute + relative * y.abs();
        if !is_same && !is_near {
            return Err(format!("element {i} is {x} instead of {y}"));
        }
    }
    Ok(())
}

/// How far a number may be off, relative to itself.
///
/// A number of n significant bits was rounded to them, by at most 2⁻ⁿ of itself, while ours was
/// not: for bfloat16 that is more than the suite's tolerance. What keeps fewer bits still is no
/// result of arithmetic but of a conversion, and exact.
fn relative_tolerance(significant_bits: Option<u32>) -> f64 {
    match significant_bits {
        None => RELATIVE,
        Some(bits) if bits >= 8 => RELATIVE.max(2_f64.powi(-(bits as i32))),
        Some(_) => 0.0,
    }
}

fn wide<T: bitlens::tensor::Element + Into<f64>>(value: &Value) -> Vec<f64> {
    value.as_slice::<T>().unwrap().iter().map(|&v| v.into()).collect()
}

mod tests {
    use super::*;

    fn file(elements: &[f32], significant_bits: Option<u32>) -> FileTensor {
        FileTensor { value: tensor(elements), significant_bits }
    }

    fn tensor(elements: &[f32]) -> Value {
        Value::from_vec(&[elements.len()], elements.to_vec()).unwrap()
    }

    #[test]
    fn numbers_may_differ_by_the_suite_s_tolerance_and_not_more() {
        let expected = file(&[100.0, f32::NAN, f32::INFINITY], None);
        assert_eq!(compare(&tensor(&[100.09, f32::NAN, f32::INFINITY]), &expected), Ok(()));
        assert!(compare(&tensor(&[100.11, f32::NAN, f32::INFINITY]), &expected).is_err());
        assert!(compare(&tensor(&[100.0, 1.0, f32::INFINITY]), &expected).is_err());
        assert!(compare(&tensor(&[100.0, f32::NAN, f32::NEG_INFINITY]), &expected).is_err());
        assert!(compare(&tensor(&[f32::NAN, f32::NAN, f32::INFINITY]), &expected).is_err());
    }

    #[test]
    fn a_narrow_type_forgives_its_own_rounding_or_none_at_all() {
        assert_eq!(compare(&tensor(&[1.0039]), &file(&[1.0], Some(8))), Ok(()));
        assert!(compare(&tensor(&[1.0041]), &file(&[1.0], Some(8))).is_err());
        assert!(compare(&tensor(&[1.000_001]), &file(&[1.0], Some(4))).is_err());
    }

    #[test]
    fn another_type_or_shape_is_wrong() {
        let expected = file(&[1.0, 2.0], None);
        assert!(compare(&Value::from_vec(&[2], vec![1.0_f64, 2.0]).unwrap(), &expected).is_err());
        assert!(compare(&Value::from_vec(&[1, 2], vec![1.0_f32, 2.0]).unwrap(), &expected).is_err());
    }
}
