//! A network as it was opened: read, simplified, ready to run in full precision.

use super::footprint::{self, Footprint};
use super::quantized::PREPROCESS_KEY;
use super::runnable::is_quantized;
use super::view::{ModelView, OperatorView};
use super::{SessionError, support};
use crate::attribution::{GradCam, Model};
use crate::data::Preprocess;
use crate::data::preprocess::Layout;
use crate::exec::{ExecError, Executor};
use crate::onnx::{self, ExternalFiles, ModelInfo};
use crate::ops::{Graph, Isa, Kind};
use crate::passes;
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// A picture's side where neither the network nor its preprocessing says one.
const OPEN_SIDE: u32 = 224;

/// A network in full precision.
#[derive(Debug)]
pub struct Network {
    /// Name of the file.
    pub file: String,
    /// What the file says of itself.
    pub info: ModelInfo,
    /// The network, simplified: what is run, quantized and exported.
    pub model: Model,
    node_count: usize,
    footprint: Footprint,
    /// Name of the tensor that attribution looks at.
    attribution_layer: Option<String>,
}

/// What a network is opened with beside its file.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// The files that may hold its weights.
    pub external: ExternalFiles,
    /// Bytes of memory that quantizing and comparing it may take; no limit where there is none.
    pub memory_limit: Option<usize>,
}

impl Network {
    /// Reads a file and makes it ready to run.
    ///
    /// # Errors
    /// Names the node or what is wrong with the file; a network that does not take one picture is
    /// refused, and one that does not run on a made-up picture of its size.
    pub fn load(file: &str, bytes: Vec<u8>, isa: Isa) -> Result<Self, SessionError> {
        Self::load_with(file, bytes, Opening::default(), isa)
    }

    /// As [`Network::load`], for a network whose weights are in files beside it, which are dropped
    /// once they are read, or that may take so much memory and no more: what it will take is known
    /// before its weights are packed.
    ///
    /// # Errors
    /// As [`Network::load`]; names all files that are missing. [`SessionError::Memory`].
    pub fn load_with(
        file: &str,
        bytes: Vec<u8>,
        Opening { external, memory_limit }: Opening,
        isa: Isa,
    ) -> Result<Self, SessionError> {
        let imported = onnx::import_with(bytes, &external)?;
        drop(external);
        check_input(&imported.graph)?;
        let graph = passes::simplify(&imported.graph)?;
        let (node_count, info) = (imported.graph.node_count(), imported.info);
        drop(imported.graph); // it has weights of its own where others were folded into them
        let preprocess = stated(file, &info).unwrap_or_else(|| guessed(&graph));
        let footprint = Footprint::of(&graph, &input_sizes(&graph, &preprocess))?;
        footprint::check(footprint.needed(), memory_limit)?;
        let model = Model::new(Executor::new(graph, isa)?)?;
        let file = file.to_owned();
        let mut network = Self { file, info, model, node_count, footprint, attribution_layer: None };
        network.attribution_layer = network.try_out()?;
        Ok(network)
    }

    /// Whether the file quantizes anything itself.
    pub fn is_quantized(&self) -> bool {
        is_quantized(self.graph())
    }

    /// The simplified graph.
    pub fn graph(&self) -> &Graph {
        self.model.executor.graph()
    }

    /// What it takes.
    pub fn footprint(&self) -> Footprint {
        self.footprint
    }

    /// A guess at the preprocessing, from the shape of the input.
    pub fn default_preprocess(&self) -> Preprocess {
        guessed(self.graph())
    }

    /// The preprocessing that the file states: Bitlens writes it into what it exports.
    pub fn stated_preprocess(&self) -> Option<Preprocess> {
        stated(&self.file, &self.info)
    }

    /// Number of classes, where the types say it.
    pub fn classes(&self) -> usize {
        let ty = self.graph().value(self.model.logits).ty.as_ref();
        let dims = ty.and_then(|ty| ty.shape.dims()).unwrap_or_default();
        dims.iter().skip(1).filter_map(Dim::fixed).product()
    }

    /// The operators of the simplified network, and which of their nodes run on integers when everything is
    /// quantized. Takes about one run and one quantization.
    pub fn operators(&self, isa: Isa) -> Vec<OperatorView> {
        support::before_quantizing(self, isa)
    }

    /// A made-up picture, for what can be found out without one.
    ///
    /// # Errors
    /// When it does not fit in memory.
    pub(super) fn probe(&self) -> Result<Value, SessionError> {
        let preprocess = self.stated_preprocess().unwrap_or_else(|| self.default_preprocess());
        let sizes = input_sizes(self.graph(), &preprocess);
        let zeros = Value::zeros::<f32>(&sizes).map_err(ExecError::from)?;
        let level = |i: usize| (i * 7919 % 251) as f32 / 250.0;
        let levels = (0..zeros.len()).map(level).collect();
        Ok(Value::from_vec(zeros.shape(), levels).map_err(ExecError::from)?)
    }

    /// Runs a made-up picture; gives the name of the tensor that attribution looks at.
    ///
    /// # Errors
    /// When the run fails. Where sizes are open a picture of others may fit, so there it is no error.
    fn try_out(&self) -> Result<Option<String>, SessionError> {
        let run = match self.probe().and_then(|picture| Ok(self.model.run(picture)?)) {
            Ok(run) => run,
            Err(error) if input_axes(self.graph()).iter().skip(1).all(Option::is_some) => return Err(error),
            Err(_) => return Ok(None),
        };
        let class = super::compare::first(&run.logits);
        let layer = GradCam::layer(&self.model, &run, class).ok();
        Ok(layer.map(|(layer, _)| self.graph().value(layer.value).name.clone()))
    }

    /// The network as the page shows it.
    pub fn view(&self) -> ModelView {
        let axes = input_axes(self.graph());
        let linear = |n: &crate::ops::Node| matches!(n.op.facts().kind, Kind::Linear(_));
        let layers = self.graph().nodes().filter(|(_, n)| linear(n)).count();
        let input = self.graph().inputs().first().map(|&id| self.graph().value(id).name.clone());
        let (channels, size) = picture_axes(&axes, self.default_preprocess().layout);
        let name = if self.graph().name().is_empty() { &self.file } else { self.graph().name() };
        ModelView {
            name: name.to_owned(),
            file_name: self.file.clone(),
            producer: self.info.producer.clone(),
            opset: self.info.opset.0,
            nodes: self.node_count,
            parameters: self.info.parameter_count,
            size_bytes: self.info.size_bytes,
            input_name: input.unwrap_or_default(),
            input_shape: input_type(self.graph()).map(|ty| ty.shape.to_string()).unwrap_or_default(),
            input_size: size,
            channels,
            classes: self.classes(),
            layers,
            operators: support::operators(self.graph(), None),
            quantized: self.is_quantized(),
            memory_bytes: self.footprint.needed(),
            multiply_accumulates: self.footprint.multiply_accumulates,
            attribution_layer: self.attribution_layer.clone(),
            warnings: self.warnings(),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let widened = &self.info.widened;
        let mut warnings: Vec<String> =
            widened.iter().map(|ty| format!("{ty} tensors are computed in float32")).collect();
        if self.is_quantized() {
            warnings.push(
                "this file is quantized already: it is compared with its own definition in float, so figures say how far \
                 two ways of rounding drift apart, not what quantizing cost"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Type of the picture input.
fn input_type(graph: &Graph) -> Option<&TensorType> {
    graph.inputs().first().and_then(|&id| graph.value(id).ty.as_ref())
}

/// Axes of the picture input; `None` for one that is open.
fn input_axes(graph: &Graph) -> Vec<Option<usize>> {
    let dims = input_type(graph).and_then(|ty| ty.shape.dims()).unwrap_or_default();
    dims.iter().map(Dim::fixed).collect()
}

/// Sizes of the input, open ones as that preprocessing makes them.
fn input_sizes(graph: &Graph, preprocess: &Preprocess) -> Vec<usize> {
    let (width, height) = preprocess.output_size(OPEN_SIDE, OPEN_SIDE);
    let channels = preprocess.channel_order.channels();
    let (width, height) = (width as usize, height as usize);
    let seen = match preprocess.layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    };
    input_axes(graph).iter().zip(seen).map(|(size, seen)| size.unwrap_or(seen)).collect()
}

/// A guess at the preprocessing, from the shape of the input.
fn guessed(graph: &Graph) -> Preprocess {
    Preprocess::default_for(&input_axes(graph)).unwrap_or_default()
}

/// The preprocessing that a file states.
fn stated(file: &str, info: &ModelInfo) -> Option<Preprocess> {
    let (_, json) = info.metadata.iter().find(|(key, _)| key == PREPROCESS_KEY)?;
    Preprocess::from_json(file, json.as_bytes()).ok().map(|(preprocess, _)| preprocess)
}

/// Channels of the picture (0 where they are open), and its height and width where they are fixed.
fn picture_axes(axes: &[Option<usize>], layout: Layout) -> (usize, Option<[usize; 2]>) {
    match (axes, layout) {
        (&[_, c, h, w], Layout::Nchw) | (&[_, h, w, c], Layout::Nhwc) => {
            (c.unwrap_or(0), h.zip(w).map(|(h, w)| [h, w]))
        }
        _ => (0, None),
    }
}

/// Refuses a network that does not take one picture.
fn check_input(graph: &Graph) -> Result<(), SessionError> {
    let ty = |id: &crate::ir::ValueId| graph.value(*id).ty.clone();
    let described =
        |ty: &Option<TensorType>| ty.as_ref().map_or("an unknown type".into(), TensorType::to_string);
    let types: Vec<Option<TensorType>> = graph.inputs().iter().map(ty).collect();
    let refuse = || {
        let got = types.iter().map(described).collect::<Vec<_>>().join(" and ");
        let got = if got.is_empty() { "no input".to_owned() } else { got };
        Err(SessionError::NotAnImageNetwork { got })
    };
    let [Some(TensorType { dtype: DType::F32, shape: Shape::Ranked(dims) })] = &types[..] else {
        return refuse();
    };
    match &dims[..] {
        [_, Dim::Fixed(1 | 3), _, _] | [_, _, _, Dim::Fixed(1 | 3)] => Ok(()),
        _ => refuse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_size_follow_the_layout() {
        let nchw = [None, Some(3), Some(224), Some(192)];
        assert_eq!(picture_axes(&nchw, Layout::Nchw), (3, Some([224, 192])));
        let nhwc = [Some(1), Some(224), Some(192), Some(1)];
        assert_eq!(picture_axes(&nhwc, Layout::Nhwc), (1, Some([224, 192])));
        assert_eq!(picture_axes(&[None, None, None, Some(3)], Layout::Nhwc), (3, None));
    }
}
