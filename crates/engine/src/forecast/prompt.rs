//! From the work of a prompt to the time of its first token.
//!
//! A chunk of a prompt is limited by arithmetic, not by memory: its tokens share the weights. In exact mode it reads ahead
//! over the whole pass. In sparse mode it reads what any of its tokens is predicted to need, layer by layer, after that
//! layer's attention.

use super::{LayerWork, Rates, Work};

impl Work {
    /// Time until the first token of a prompt of `tokens` tokens. In sparse mode a rough one: how alike the tokens of a prompt are
    /// is not known before they are predicted, and the more they are, the less has to be read.
    pub fn first_token_ms(&self, rates: &Rates, tokens: usize) -> f64 {
        let chunk = self.prompt.chunk.max(1);
        let rest = Some(tokens % chunk).filter(|&rest| rest > 0);
        let chunks = std::iter::repeat_n(chunk, tokens / chunk).chain(rest).enumerate();
        let seconds = |(index, tokens): (usize, usize)| match self.sparse {
            true => self.sparse_chunk(rates, tokens as f64, index == 0),
            false => self.exact_chunk(rates, tokens as f64),
        };
        (chunks.map(seconds).sum::<f64>() * 1e3).max(self.forecast(rates).token_ms)
    }

    /// Seconds of a chunk of `tokens` tokens in exact mode.
    fn exact_chunk(&self, rates: &Rates, tokens: f64) -> f64 {
        let weights = self.prompt.dense_weights + self.prompt.neuron_weights;
        // Of experts what any of the tokens goes through, as if none were liked better than others.
        let union = match self.experts {
            true => 1.0 - (1.0 - self.prompt.chosen).powf(tokens),
            false => 1.0,
        };
        let missing = (self.prompt.read_bytes - self.streamed_bytes).max(0.0);
        let reads = (self.streamed_bytes.min(self.prompt.read_bytes) + union * missing)
            / rates.disk.bytes_per_second;
        reads.max(products(rates, tokens, weights))
    }

    /// Seconds of a chunk of `tokens` tokens in sparse mode.
    fn sparse_chunk(&self, rates: &Rates, tokens: f64, is_first: bool) -> f64 {
        let sum = |pick: fn(&LayerWork) -> f64| self.layers.iter().map(pick).sum::<f64>();
        let (loaded, predicted) = (sum(|layer| layer.loaded), sum(|layer| layer.predicted));
        // As if no neuron were needed more often than another, which makes the union of all tokens larger than it is.
        let spared = (1.0 - predicted / self.prompt.neurons.max(1.0)).max(0.0);
        let union = 1.0 - spared.powf(tokens);
        // The very first token finds little of what it needs in the slots, others what those before them needed.
        let cold = if is_first { predicted - loaded } else { 0.0 };
        let records = (cold + tokens * loaded).min(union * self.prompt.neurons);
        let streamed = self.streamed_bytes / rates.disk.bytes_per_second;
        // Where nearly all are needed, neighbours are, too, and what is read is read in order.
        let reads = (streamed + records * rates.disk.record_seconds)
            .min(self.prompt.read_bytes / rates.disk.bytes_per_second);
        // Each token is multiplied with the neurons of all.
        let dense = products(rates, tokens, self.prompt.dense_weights);
        let neurons = products(rates, tokens, union * self.prompt.neuron_weights);
        dense + tokens * rates.predict_seconds + reads.max(neurons)
    }
}

/// Seconds in which each of `tokens` is multiplied with `weights` weights.
fn products(rates: &Rates, tokens: f64, weights: f64) -> f64 {
    2.0 * tokens * weights / rates.operations
}

#[cfg(test)]
mod tests {
    use super::super::PromptWork;
    use super::*;

    /// Ten layers of 1000 neurons of 8000 weights: 200 predicted and 50 loaded per token.
    fn work(sparse: bool) -> Work {
        let layer = LayerWork { predicted: 200.0, loaded: 50.0, ..LayerWork::default() };
        let prompt = PromptWork {
            chunk: 16,
            read_bytes: 100e6,
            dense_weights: 40e6,
            neuron_weights: 80e6,
            neurons: 10_000.0,
            chosen: 0.0,
        };
        Work { layers: vec![layer; 10], sparse, prompt, ..Work::default() }
    }

    #[test]
    fn exact_chunks_take_the_longer_of_reads_and_products() {
        let rates = Rates::of_tests();
        // 100 MB at 1 GB/s; products of 16 tokens take 38 ms.
        assert!((work(false).first_token_ms(&rates, 16) - 100.0).abs() < 1e-6);
        assert!((work(false).first_token_ms(&rates, 17) - 200.0).abs() < 1e-6);
        // 24 ms a token, but what the last one needs is read again.
        let slow = Rates { operations: 1e10, ..rates };
        assert!((work(false).first_token_ms(&slow, 17) - (384.0 + 100.0)).abs() < 1e-6);
        assert!((work(false).first_token_ms(&slow, 24) - 24.0 * 24.0).abs() < 1e-6);
    }

    #[test]
    fn sparse_chunks_read_what_their_tokens_load_and_never_more_than_is_missing() {
        let rates = Rates { predict_seconds: 1e-3, ..Rates::of_tests() };
        let work = work(true);
        let expect = |work: &Work, tokens: usize, reads_ms: f64| {
            let dense = tokens as f64 * 2.0 * 40e6 / 1e11 * 1e3;
            let (said, due) =
                (work.first_token_ms(&rates, tokens), reads_ms + tokens as f64 + dense);
            assert!((said - due).abs() < 1e-6, "{said}, not {due}");
        };
        // Two tokens load 2000 and 500 records of 20 us; the products of their neurons take less.
        expect(&work, 2, 50.0);
        // At most what is not held, which is read in order: 100 MB at 1 GB/s.
        expect(&work, 16, 100.0);
        // A second chunk finds what the first one needed.
        expect(&work, 18, 100.0 + 20.0);
        // Never more than all that 3 tokens need where none need the same: 4880 and not 6000.
        let mut new = work.clone();
        new.layers.iter_mut().for_each(|layer| layer.loaded = 200.0);
        expect(&new, 3, 97.6);
    }

    #[test]
    fn each_token_of_a_sparse_chunk_is_multiplied_with_the_neurons_of_all() {
        let slow = Rates { operations: 1e9, ..Rates::of_tests() };
        // Of the neurons 1 - 0.8^2 are needed; reads take 50 ms of that time.
        let union = 80e6 * (1.0 - 0.8f64.powi(2));
        let expected = 2.0 * 2.0 * (40e6 + union) / 1e9 * 1e3;
        assert!((work(true).first_token_ms(&slow, 2) - expected).abs() < 1e-6);
    }

    #[test]
    fn a_prompt_never_takes_less_than_a_token() {
        let (rates, work) = (Rates::of_tests(), Work { head_bytes: 1e9, ..work(true) });
        assert_eq!(work.first_token_ms(&rates, 1), work.forecast(&rates).token_ms);
    }
}
