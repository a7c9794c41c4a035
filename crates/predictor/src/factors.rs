//! Two matrices and a bias in full precision: what training works on.

/// `B (A x) + bias`, above zero where a neuron is expected to be active.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    rank: usize,
    inner: Vec<f32>,
    outer: Vec<f32>,
    bias: Vec<f32>,
}

impl Factors {
    /// `inner` is rank x width, `outer` neurons x rank, `bias` one number per neuron.
    ///
    /// # Panics
    /// When the sizes do not agree or one is zero.
    pub fn new(rank: usize, inner: Vec<f32>, outer: Vec<f32>, bias: Vec<f32>) -> Factors {
        assert!(rank > 0 && !inner.is_empty() && !bias.is_empty(), "factors are not empty");
        assert_eq!(inner.len() % rank, 0, "the first matrix has {rank} rows");
        assert_eq!(outer.len(), bias.len() * rank, "the second matrix is neurons x {rank}");
        Factors { rank, inner, outer, bias }
    }

    /// Rows of A.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Numbers per input vector.
    pub fn width(&self) -> usize {
        self.inner.len() / self.rank
    }

    /// Neurons.
    pub fn neurons(&self) -> usize {
        self.bias.len()
    }

    /// A: rank x width.
    pub fn inner(&self) -> &[f32] {
        &self.inner
    }

    /// B: neurons x rank.
    pub fn outer(&self) -> &[f32] {
        &self.outer
    }

    /// One number per neuron.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }
}
