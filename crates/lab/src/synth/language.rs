//! The language of a synthetic model: what each token means, and the walk that a text is.
//!
//! The vocabulary is a path: each place on it has a few tokens. What a token means is a topic, which turns slowly
//! along the path, and a part of its own. A text walks along the path, one place per token, so neighbours share
//! their topic and differ in their own part.

use super::mixing::Mixing;
use super::random::{Purpose, Random, Row};
use rand_chacha::rand_core::RngCore;

/// First tokens, which mean nothing: marks of the text are among them.
const RESERVED: usize = 16;
/// Tokens of a place.
const TOKENS: usize = 16;
/// Places from one topic to the next.
const TOPIC: usize = 32;
/// Numbers whose length is the same for every token: so that activity does not swing with the topic.
pub(super) const BLOCK: usize = 8;
/// Share of the length of a state that is the same for all tokens, where there are no biases: it acts as one.
const COMMON: f32 = 0.25;

/// Where the parts of a meaning are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// Blocks of the topic, from number 1 on; as many of the token's own part follow.
    pub(super) blocks: usize,
    /// Number 0 of every token.
    pub(super) common: f32,
}

impl Parts {
    /// First number of a block of the topic.
    pub(super) fn topic(block: usize) -> usize {
        1 + block * BLOCK
    }

    /// First number of a block of the token's own part.
    pub(super) fn own(&self, block: usize) -> usize {
        1 + (self.blocks + block) * BLOCK
    }
}

/// What every token means.
#[derive(Debug)]
pub(super) struct Language<'a> {
    random: &'a Random,
    mixing: &'a Mixing,
    pub(super) parts: Parts,
    path: Path,
    /// Topics x numbers of a topic.
    topics: Vec<f32>,
}

impl<'a> Language<'a> {
    /// `biased`: whether the layers have biases of their own.
    pub(super) fn new(
        random: &'a Random,
        mixing: &'a Mixing,
        vocabulary: usize,
        biased: bool,
    ) -> Language<'a> {
        let width = mixing.width();
        let blocks = (width - 1) / (2 * BLOCK);
        let common = if biased { 0.0 } else { COMMON * (width as f32).sqrt() };
        let path = Path::new(vocabulary);
        let mut topics = vec![0.0; path.topics() * blocks * BLOCK];
        for (index, topic) in topics.chunks_exact_mut(blocks * BLOCK).enumerate() {
            random.normals(Row { purpose: Purpose::Topic, part: 0, index }, topic);
            even(topic);
        }
        Language { random, mixing, parts: Parts { blocks, common }, path, topics }
    }

    /// The embedding of a token, its numbers about one in size.
    pub(super) fn embedding(&self, token: usize, out: &mut [f32], spare: &mut Vec<f32>) {
        let Parts { blocks, common } = self.parts;
        out.fill(0.0);
        out[0] = common;
        let (topic, rest) = out[1..].split_at_mut(blocks * BLOCK);
        let (index, turned) = self.path.topic(token);
        let angle = f64::from(turned) * std::f64::consts::FRAC_PI_2;
        let (new, old) = libm::sincos(angle);
        let of = |index: usize| &self.topics[index * topic.len()..][..topic.len()];
        let ends = of(index).iter().zip(of((index + 1) % self.path.topics()));
        let ends: Vec<f32> = ends.map(|(a, b)| old as f32 * a + new as f32 * b).collect();
        topic.copy_from_slice(&ends);
        even(topic);
        let own = &mut rest[..blocks * BLOCK];
        self.random.normals(Row { purpose: Purpose::Token, part: 0, index: token }, own);
        even(own);
        self.mixing.mix(out, spare);
    }
}

/// Gives each block the length that numbers of size one have.
fn even(numbers: &mut [f32]) {
    for block in numbers.chunks_exact_mut(BLOCK) {
        let squares: f32 = block.iter().map(|x| x * x).sum();
        let scale = (BLOCK as f32 / squares.max(1e-6)).sqrt();
        block.iter_mut().for_each(|x| *x *= scale);
    }
}

/// The order of the vocabulary.
#[derive(Debug, Clone, Copy)]
struct Path {
    places: usize,
}

impl Path {
    fn new(vocabulary: usize) -> Path {
        Path { places: (vocabulary.saturating_sub(RESERVED) / TOKENS).max(1) }
    }

    /// Topics along it; two at least, so that each has a next one.
    fn topics(self) -> usize {
        self.places.div_ceil(TOPIC).max(2)
    }

    /// The topic that a token comes from, and how far it has turned to the next, 0 to 1.
    fn topic(self, token: usize) -> (usize, f32) {
        let place = (token.saturating_sub(RESERVED) / TOKENS).min(self.places - 1);
        (place / TOPIC, (place % TOPIC) as f32 / TOPIC as f32)
    }
}

/// A text that layers are tuned on, or one to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Tuning,
    Run,
}

/// The first `count` tokens of a text: a walk along the path, one place per token, over its end to its start.
/// The two texts begin half the path apart.
pub(super) fn walk(random: &Random, vocabulary: usize, text: Text, count: usize) -> Vec<u32> {
    let path = Path::new(vocabulary);
    let (part, start) = match text {
        Text::Tuning => (0, 0),
        Text::Run => (1, path.places / 2),
    };
    let mut choices = random.stream(Row { purpose: Purpose::Walk, part, index: 0 });
    let mut token = |step: usize| {
        let place = (start + step) % path.places;
        let token = RESERVED + place * TOKENS + choices.next_u32() as usize % TOKENS;
        (token % vocabulary.max(1)) as u32
    };
    (0..count).map(&mut token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_their_topic_and_strangers_nothing() {
        let random = Random::new(3);
        let mixing = Mixing::new(&random, 512);
        let language = Language::new(&random, &mixing, 8192, true);
        let embedding = |token: u32| {
            let (mut out, mut spare) = (vec![0.0; 512], Vec::new());
            language.embedding(token as usize, &mut out, &mut spare);
            out
        };
        let text = walk(&random, 8192, Text::Run, 200);
        let like = |a: u32, b: u32| {
            let products = embedding(a).into_iter().zip(embedding(b)).map(|(a, b)| a * b);
            products.sum::<f32>() / 512.0
        };
        assert!((like(text[0], text[0]) - 1.0).abs() < 0.05);
        let (near, far) = (like(text[0], text[1]), like(text[0], text[150]));
        assert!((0.35..0.65).contains(&near) && far.abs() < 0.2, "{near} {far}");
    }

    #[test]
    fn the_same_seed_walks_the_same_way() {
        let text = |seed| walk(&Random::new(seed), 50272, Text::Run, 50);
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
        assert_eq!(text(1)[..20], walk(&Random::new(1), 50272, Text::Run, 20));
    }
}
