//! The list macro: one line per operator makes its module, its variant of [`Op`](super::Op), and
//! everything that is delegated to it.

/// Makes the closed set of operators from one line per operator.
macro_rules! operators {
    ($($module:ident :: $name:ident),* $(,)?) => {
        $(mod $module;)*

        /// The operators, as one type.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each variant is the operator of that name")]
        pub enum Op {
            $($name($module::$name)),*
        }

        $(
            pub use $module::$name;

            impl From<$name> for Op {
                fn from(op: $name) -> Self {
                    Self::$name(op)
                }
            }
        )*

        /// What reads the nodes of one operator.
        struct Importer {
            op_type: &'static str,
            least_opset: u32,
            import: fn(&mut ImportNode<'_>) -> Result<Op, crate::ir::AttrError>,
        }

        impl Op {
            /// The names of all operators.
            pub const OP_TYPES: &'static [&'static str] = &[$(<$name as Operator>::OP_TYPE),*];

            /// See [`Operator::LEAST_OPSET`]; `None` when there is no such operator.
            pub fn least_opset(op_type: &str) -> Option<u32> {
                Self::importer(op_type).map(|importer| importer.least_opset)
            }

            fn importer(op_type: &str) -> Option<&'static Importer> {
                const IMPORTERS: &[Importer] = &[$(Importer {
                    op_type: <$name as Operator>::OP_TYPE,
                    least_opset: <$name as Operator>::LEAST_OPSET,
                    import: |node| <$name as Operator>::import(node).map(Op::from),
                }),*];
                IMPORTERS.iter().find(|importer| importer.op_type == op_type)
            }

            /// Each operator's name and its samples for the shared suite.
            #[cfg(test)]
            fn samples() -> Vec<(&'static str, Vec<testing::Sample>)> {
                vec![$((<$name as Operator>::OP_TYPE, <$name as testing::Sampled>::samples())),*]
            }

            /// Reads a node of that operator; `None` when there is no such operator.
            pub fn import(
                op_type: &str,
                node: &mut ImportNode<'_>,
            ) -> Option<Result<Self, crate::ir::AttrError>> {
                Self::importer(op_type).map(|importer| (importer.import)(node))
            }

            /// See [`Operator::export`].
            pub fn export(&self) -> Option<Vec<ExportStep>> {
                match self { $(Self::$name(op) => op.export()),* }
            }

            /// See [`Operator::file_opset`].
            pub fn file_opset(&self, inputs: &TypeInputs<'_>) -> crate::ir::Opset {
                match self { $(Self::$name(op) => op.file_opset(inputs)),* }
            }

            /// See [`Operator::facts`].
            pub fn facts(&self) -> Facts {
                match self { $(Self::$name(op) => op.facts()),* }
            }

            /// See [`Operator::infer`].
            ///
            /// # Errors
            /// When the inputs' types do not fit the operator.
            pub fn infer(
                &self,
                inputs: &TypeInputs<'_>,
            ) -> Result<Vec<crate::tensor::TensorType>, OpError> {
                match self { $(Self::$name(op) => op.infer(inputs)),* }
            }

            /// See [`Operator::prepare`].
            ///
            /// # Errors
            /// When the constants do not fit the operator.
            pub fn prepare(
                &self,
                isa: crate::kernels::Isa,
                inputs: &[Option<&crate::tensor::Value>],
            ) -> Result<Option<Prepared>, OpError> {
                match self { $(Self::$name(op) => op.prepare(isa, inputs)),* }
            }

            /// See [`Operator::forward`].
            ///
            /// # Errors
            /// When the inputs do not fit the operator.
            pub fn forward(
                &self,
                context: &Context<'_>,
                inputs: Inputs,
            ) -> Result<Vec<crate::tensor::Value>, OpError> {
                match self { $(Self::$name(op) => op.forward(context, inputs)),* }
            }

            /// See [`Operator::as_sum_maker`].
            pub fn as_sum_maker(&self) -> Option<&dyn MakesSum> {
                match self { $(Self::$name(op) => op.as_sum_maker()),* }
            }

            /// See [`Operator::backward`].
            ///
            /// # Errors
            /// [`OpError::NotDifferentiable`], or when the tape does not fit the operator.
            pub fn backward(
                &self,
                context: &Context<'_>,
                tape: &Tape<'_>,
            ) -> Result<Vec<Option<crate::tensor::Value>>, OpError> {
                match self { $(Self::$name(op) => op.backward(context, tape)),* }
            }

            /// See [`Operator::fold`].
            pub fn fold(&self, inputs: &TypeInputs<'_>) -> Option<Vec<crate::tensor::Value>> {
                match self { $(Self::$name(op) => op.fold(inputs)),* }
            }

            /// See [`Operator::channel_affine`].
            pub fn channel_affine(&self, inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
                match self { $(Self::$name(op) => op.channel_affine(inputs)),* }
            }

            /// See [`Operator::with_bias_input`].
            pub fn with_bias_input(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
                match self { $(Self::$name(op) => op.with_bias_input(inputs)),* }
            }

            /// See [`Operator::lower_int8`].
            pub fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
                match self { $(Self::$name(op) => op.lower_int8(context)),* }
            }

            /// See [`Operator::with_sizes`].
            pub fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
                match self { $(Self::$name(op) => op.with_sizes(inputs).map(Self::from)),* }
            }

            /// See [`Operator::permutation`].
            pub fn permutation(&self) -> Option<Vec<usize>> {
                match self { $(Self::$name(op) => op.permutation()),* }
            }

            fn own_before_permutation(&self, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
                match self { $(Self::$name(op) => op.own_before_permutation(order, inputs)),* }
            }

            /// See [`Operator::fuse_clamp`].
            pub fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
                match self { $(Self::$name(op) => op.fuse_clamp(clamp).map(Self::from)),* }
            }

            /// See [`Operator::without_clamp`].
            pub fn without_clamp(&self) -> Option<(Self, Clamp)> {
                match self { $(Self::$name(op) => op.without_clamp().map(|(op, clamp)| (op.into(), clamp))),* }
            }

            /// See [`Operator::scaled_channels`].
            pub fn scaled_channels(&self, inputs: &TypeInputs<'_>) -> Option<usize> {
                match self { $(Self::$name(op) => op.scaled_channels(inputs)),* }
            }

            /// See [`Operator::columns`].
            pub fn columns<'a>(
                &self,
                input: &'a crate::tensor::Value,
                weight: &[usize],
            ) -> Option<Columns<'a>> {
                match self { $(Self::$name(op) => op.columns(input, weight)),* }
            }

            /// See [`Operator::channel_limits`].
            pub fn channel_limits(&self, inputs: &TypeInputs<'_>) -> Option<Vec<f32>> {
                match self { $(Self::$name(op) => op.channel_limits(inputs)),* }
            }

            /// See [`Operator::take_clamp`].
            pub fn take_clamp(&self, clamp: Clamp, inputs: &TypeInputs<'_>) -> Option<Self> {
                match self { $(Self::$name(op) => op.take_clamp(clamp, inputs).map(Self::from)),* }
            }
        }

        impl crate::ir::Operation for Op {
            fn op_type(&self) -> &'static str {
                match self { $(Self::$name(_) => <$name as Operator>::OP_TYPE),* }
            }
        }
    };
}

pub(super) use operators;
