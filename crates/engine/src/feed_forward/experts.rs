//! The feed-forward of a mixture of experts: a router names some experts for each row, and only those are read and computed.
//!
//! What an expert gives for a row is kept until all have spoken, and added in ascending order of expert. So experts are computed
//! in whatever order they arrive, and the sums have the same bits.

mod store;

use crate::expert_units::ExpertUnits;
use crate::plan::{ExpertPlan, ROWS_TOGETHER};
use crate::reads::Reads;
use crate::{CancelToken, EngineError, OpenModel, RunOptions};
use candle_core::Tensor;
use flint_geometry::UnitSet;
use flint_kernels::{Arithmetic, Compute, MatrixProduct, MatrixView, matmul_each, ops};
use flint_model::{
    Affine, Architecture, Experts, FeedForward, LayerPart, MatrixFeedForward, ModelError,
    Projection, Route, TensorRole, Weights,
};
use std::time::Duration;
use store::{ExpertStore, Needed, Ready};

/// The experts of a model, with the feed-forward of its layers that have none.
pub(crate) struct ExpertNeurons {
    architecture: Architecture,
    compute: Compute,
    arithmetic: Arithmetic,
    dense: MatrixFeedForward,
    store: ExpertStore,
    scratch: Scratch,
    /// What the last pass went through, by layer.
    last: Vec<UnitSet>,
}

/// Memory that is kept from layer to layer.
#[derive(Default)]
struct Scratch {
    routes: Vec<Route>,
    /// What each route gives, (routes x hidden).
    given: Vec<f32>,
    /// Rows that go through one expert.
    rows: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    down: Vec<f32>,
}

/// An expert that is in memory, the routes that go through it, and its biases.
struct Visited<'a> {
    ready: Ready,
    routes: &'a [usize],
    biases: Option<[Vec<f32>; 3]>,
}

impl Visited<'_> {
    /// The matrices: gate, up, down.
    fn views<'a>(
        &'a self,
        store: &'a ExpertStore,
        arithmetic: Arithmetic,
    ) -> Result<[MatrixView<'a>; 3], EngineError> {
        let (unit, places) = store.unit(self.ready.expert);
        let bytes = store.bytes(&self.ready);
        let view = |matrix: Projection| {
            let (own, at) = (&unit.matrices[matrix as usize], places[matrix as usize].clone());
            let view = MatrixView::new(own.dtype, own.rows, own.columns, &bytes[at])?;
            Ok::<_, EngineError>(view.with_arithmetic(arithmetic))
        };
        let [gate, up, down] = Projection::ALL;
        Ok([view(gate)?, view(up)?, view(down)?])
    }
}

/// The products of one matrix of each expert with its rows of `x`, one expert's after the other's, as those of `out` are.
fn each<'a>(
    group: &'a [Visited<'_>],
    views: &[[MatrixView<'a>; 3]],
    matrix: Projection,
    mut x: &'a [f32],
    mut out: &'a mut [f32],
) -> Vec<MatrixProduct<'a>> {
    let mut products = Vec::with_capacity(2 * group.len());
    for (visited, views) in group.iter().zip(views) {
        let weights = views[matrix as usize];
        let (rows, own, others);
        (rows, x) = x.split_at(visited.routes.len() * weights.cols());
        (own, others) = out.split_at_mut(visited.routes.len() * weights.row_count());
        out = others;
        let bias = visited.biases.as_ref().map(|own| own[matrix as usize].as_slice());
        products.push(MatrixProduct { weights, x: rows, bias, out: own });
    }
    products
}

/// The routes of a batch by expert.
struct ByExpert {
    experts: UnitSet,
    /// For each of them the indices of its routes.
    routes: Vec<Vec<usize>>,
}

impl ExpertNeurons {
    /// The experts of `files` as planned; nothing is in memory yet.
    ///
    /// # Errors
    /// When the system refuses memory.
    pub(crate) fn new(
        files: &OpenModel,
        options: &RunOptions,
        compute: &Compute,
        plan: &ExpertPlan,
        reads: Reads,
    ) -> Result<ExpertNeurons, EngineError> {
        let architecture = files.architecture.clone();
        let units = ExpertUnits::of(&files.tensors, &architecture)?;
        let (paths, verify) = (files.read_files(), options.verify_reads);
        let dense = MatrixFeedForward::new(&architecture, compute.clone());
        Ok(ExpertNeurons {
            store: ExpertStore::new(compute.clone(), units, paths, plan, reads, verify)?,
            last: vec![UnitSet::new(); architecture.layers],
            architecture,
            compute: compute.clone(),
            arithmetic: options.arithmetic.unwrap_or_default(),
            dense,
            scratch: Scratch::default(),
        })
    }

    /// Reads the experts of `layer` into memory, where all are to stay. Returns their bytes.
    ///
    /// # Errors
    /// When a read fails.
    pub(crate) fn preload(&mut self, layer: usize) -> Result<u64, EngineError> {
        self.store.preload(layer)
    }

    pub(super) fn reads(&self) -> &Reads {
        self.store.reads()
    }

    /// The experts that the last pass went through, by layer.
    pub(super) fn last(&self) -> &[UnitSet] {
        &self.last
    }

    /// Experts that visits needed, those that were read for it, and the time for finding places.
    pub(super) fn counts(&self) -> (u64, u64, Duration) {
        (self.store.touched, self.store.loaded, self.store.time)
    }

    pub(super) fn begin_pass(&mut self, cancel: &CancelToken) -> Result<(), EngineError> {
        self.store.begin_pass(cancel)
    }

    pub(super) fn end_pass(&mut self) {
        self.store.end_pass();
    }

    pub(super) fn finish(
        &mut self,
        layer: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        if self.architecture.experts(layer).is_none() {
            return self.dense.finish(layer, input, weights);
        }
        let by_expert = self.route(layer, input, weights)?;
        self.last[layer].clone_from(&by_expert.experts);
        let rows: Vec<u32> = by_expert.routes.iter().map(|routes| routes.len() as u32).collect();
        let needed = Needed { layer, experts: &by_expert.experts, rows: &rows };
        self.store.begin(&needed).map_err(ModelError::supplier)?;
        // While reads are on their way.
        let shared = self.shared(layer, input, weights)?;
        let hidden = self.architecture.hidden;
        self.scratch.given.clear();
        self.scratch.given.resize(self.scratch.routes.len() * hidden, 0.0);
        let mut group: Vec<Visited<'_>> = Vec::new();
        let mut rows = 0;
        while let Some(ready) = self.store.next().map_err(ModelError::supplier)? {
            let found = by_expert.experts.iter().position(|expert| expert == ready.expert);
            let routes = found.map_or(&[][..], |index| &by_expert.routes[index]);
            let biases = self.biases(layer, ready.expert, weights)?;
            rows += routes.len();
            // The next read waits for its place in the ring.
            let passing = ready.is_passing();
            group.push(Visited { ready, routes, biases });
            if passing || rows >= ROWS_TOGETHER || !self.store.has_ready() {
                ops::with_slice(input, |x| self.compute(&group, x))?
                    .map_err(ModelError::supplier)?;
                group.clear();
                rows = 0;
            }
        }
        let sum = ops::from_vec(self.sum(), (input.dim(0)?, hidden))?;
        match shared {
            Some(shared) => Ok((sum + shared)?),
            None => Ok(sum),
        }
    }

    fn experts(&self) -> &Experts {
        let experts = self.architecture.experts.as_ref();
        experts.unwrap_or_else(|| unreachable!("made for a model with experts"))
    }

    /// Asks the router which experts each row goes through.
    fn route(
        &mut self,
        layer: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<ByExpert, ModelError> {
        let role = |part| TensorRole::Layer(layer, part);
        let bias = self.experts().router_bias.then(|| role(LayerPart::Router(Affine::Bias)));
        let router = role(LayerPart::Router(Affine::Weight));
        let outputs = weights.linear(router, bias, input)?;
        let selection = role(LayerPart::SelectionBias);
        let selection =
            self.experts().selection_bias.then(|| weights.vector(selection)).transpose()?;
        let (count, routing) = (self.experts().count, self.experts().routing);
        let routes = &mut self.scratch.routes;
        routes.clear();
        ops::with_slice(&outputs, |outputs| {
            outputs.chunks_exact(count).try_for_each(|row| routing.route(row, selection, routes))
        })??;
        let mut by_number = vec![Vec::new(); count];
        for (index, route) in routes.iter().enumerate() {
            by_number[route.expert as usize].push(index);
        }
        let named = (0..count as u32).filter(|&expert| !by_number[expert as usize].is_empty());
        let experts = UnitSet::from_unsorted(named.collect());
        let routes = by_number.into_iter().filter(|routes| !routes.is_empty()).collect();
        Ok(ByExpert { experts, routes })
    }

    /// What the expert that every row goes through gives.
    fn shared(
        &self,
        layer: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Option<Tensor>, ModelError> {
        if self.experts().shared == 0 {
            return Ok(None);
        }
        let role = |matrix| TensorRole::Layer(layer, LayerPart::Shared(matrix));
        let gate = weights.linear(role(Projection::Gate), None, input)?;
        let up = weights.linear(role(Projection::Up), None, input)?;
        let mut acts = ops::with_slice(&gate, <[f32]>::to_vec)?;
        let activation = self.experts().activation;
        ops::with_slice(&up, |up| activation.gate_slice(&self.compute, &mut acts, up))?;
        let acts = ops::from_vec(acts, gate.dims())?;
        weights.linear(role(Projection::Down), None, &acts).map(Some)
    }

    /// The biases of an expert's matrices, where they have some.
    fn biases(
        &self,
        layer: usize,
        expert: u32,
        weights: &mut dyn Weights,
    ) -> Result<Option<[Vec<f32>; 3]>, ModelError> {
        if !self.experts().biases {
            return Ok(None);
        }
        let mut row = |matrix| {
            let table = TensorRole::Layer(layer, LayerPart::ExpertBias(matrix));
            Ok::<_, ModelError>(ops::with_slice(
                &weights.embed(table, &[expert])?,
                <[f32]>::to_vec,
            )?)
        };
        let [gate, up, down] = Projection::ALL;
        Ok(Some([row(gate)?, row(up)?, row(down)?]))
    }

    /// Computes some experts, each for the rows of its routes, of those of `x`.
    fn compute(&mut self, group: &[Visited<'_>], x: &[f32]) -> Result<(), EngineError> {
        let (hidden, used) = (self.architecture.hidden, self.experts().routing.used);
        let (activation, neurons) = (self.experts().activation, self.experts().neurons);
        let (store, arithmetic) = (&self.store, self.arithmetic);
        let views = group.iter().map(|visited| visited.views(store, arithmetic));
        let views: Vec<[MatrixView<'_>; 3]> = views.collect::<Result<_, _>>()?;
        let Scratch { given, rows, gate, up, down, .. } = &mut self.scratch;
        let routes = || group.iter().flat_map(|visited| visited.routes);
        rows.clear();
        routes().for_each(|route| rows.extend_from_slice(&x[route / used * hidden..][..hidden]));
        let count = routes().count();
        for product in [&mut *gate, &mut *up] {
            product.resize(count * neurons, 0.0);
        }
        down.resize(count * hidden, 0.0);
        let mut products = each(group, &views, Projection::Gate, rows, gate);
        products.extend(each(group, &views, Projection::Up, rows, up));
        matmul_each(&self.compute, &mut products);
        activation.gate_slice(&self.compute, gate, up);
        matmul_each(&self.compute, &mut each(group, &views, Projection::Down, gate, down));
        for (route, row) in routes().zip(down.chunks_exact(hidden)) {
            given[route * hidden..][..hidden].copy_from_slice(row);
        }
        Ok(())
    }

    /// Adds what experts gave, each times its weight, in ascending order of expert: (rows x hidden).
    fn sum(&self) -> Vec<f32> {
        let (hidden, used) = (self.architecture.hidden, self.experts().routing.used);
        let Scratch { routes, given, .. } = &self.scratch;
        let mut sum = vec![0.0; routes.len() / used * hidden];
        let rows = sum.chunks_exact_mut(hidden).zip(routes.chunks_exact(used)).enumerate();
        let touched = given.len() * size_of::<f32>();
        self.compute.share(touched, rows, |(row, (sum, routes))| {
            for (index, route) in routes.iter().enumerate() {
                let given = &given[(row * used + index) * hidden..][..hidden];
                for (sum, given) in sum.iter_mut().zip(given) {
                    *sum += route.weight * given;
                }
            }
        });
        sum
    }
}
