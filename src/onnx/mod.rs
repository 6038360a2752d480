//! ONNX files: [`import()`] turns the bytes of one into an [`ops::Graph`](crate::ops::Graph),
//! [`export()`] turns a graph into the bytes of one.
//!
//! ```
//! use bitlens::ir::GraphBuilder;
//! use bitlens::onnx::{ExportOptions, export, import};
//! use bitlens::ops::Relu;
//! use bitlens::tensor::{DType, Shape, TensorType};
//!
//! let ty = TensorType::new(DType::F32, Shape::fixed(&[1, 8]));
//! let mut builder = GraphBuilder::new("net");
//! let x = builder.input("x", ty.clone());
//! let y = builder.value("y", Some(ty));
//! builder.node(bitlens::ops::Node {
//!     name: "act".into(),
//!     op: Relu.into(),
//!     inputs: vec![Some(x)],
//!     outputs: vec![y],
//! });
//! builder.output(y);
//! let bytes = export(&builder.finish()?, &ExportOptions::default())?;
//! let read = import(&bytes)?;
//! assert_eq!((read.graph.name(), read.info.opset.0), ("net", 18));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What of ONNX is read
//!
//! - IR version 3 and later, opsets 7 to 27 of ONNX's own domain. Other domains may be listed, as
//!   quantization tools do, as long as no node uses them.
//! - Tensors of float32, float64, bool and all integers of 2 to 64 bits; narrower floats (float16,
//!   bfloat16, float8, float4) are widened to float32, wherever they are declared. Elements may be raw
//!   bytes or typed fields, or lie in files beside the network's ([`ExternalFiles`]).
//! - Initializers, also where they are listed as inputs (IR version 3), in which case they are
//!   constants all the same: a caller cannot replace them. `Constant` nodes become constants.
//! - Nodes in any order. Names of nodes are made where they are empty and made unique where they
//!   are not. Outputs that nobody reads are left away (the mask of a Dropout). Initializers that
//!   nobody reads are left away.
//! - Functions that the file defines: each call becomes the nodes of the function, with opset,
//!   attributes and defaults as it states them, also where functions call others.
//! - Dimensions with names; sizes that are 0 or negative mean "unknown", as exporters use them.
//!
//! Not read, and refused with the name of what needs it: operators that `ops` does not have (all of
//! them are listed at once), control flow, sparse tensors, texts, sequences,
//! attributes that an operator does not know, weights that are not finite.
//! Not read, and ignored: documentation strings, training information, quantization annotations.
//!
//! # What is written
//!
//! One file of opset 18 and IR version 8, or of the least later ones that have every operator and
//! element type of the network; nodes in an order of execution, every constant that is read once, as
//! an initializer with raw bytes in its own type. The same graph gives the same bytes.
//!
//! # Untrusted input
//!
//! A file is hostile until it is read. Lengths are compared before memory is taken, nothing recurses
//! on what a file nests, numbers are converted with checks (`as` is not allowed in this module), and
//! a test feeds mutated files.
#![deny(clippy::as_conversions)]

mod advice;
mod attr;
mod build;
mod error;
mod export;
mod external;
mod file;
mod functions;
mod import;
mod names;
mod nodes;
mod proto;
mod support;
mod tensor;
mod types;

#[cfg(test)]
mod tests;

pub use error::{FunctionProblem, ImportError, MissingOperator, Unsupported};
pub use export::{ExportError, ExportOptions, export};
pub use external::ExternalFiles;
pub use file::FileKind;
pub use import::{Imported, ModelInfo, import, import_owned, import_with};
pub use support::{OperatorSupport, RefusedNode, Support};
