//! Renders a conversation in disguise to trace where each of its characters goes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::literals::{self, Operand};
use super::{ControlTokens, Guard, Kind, Rendered, Visit};

/// The private planes of Unicode, from which the characters of a disguise are taken.
const PRIVATE: [Range<u32>; 2] = [0xF_0000..0xF_FFFE, 0x10_0000..0x10_FFFE];

/// An exchange of characters, made for one conversation.
///
/// White space keeps its look, because templates trim it; so do quotes, backslashes and control characters, because
/// `tojson` escapes them. All others are exchanged one for one, so that slices and lengths stay what they are, and
/// literals that the template looks for are exchanged in the template, too. The characters in exchange occur neither in
/// the request nor in the template, so nobody can forge them.
#[derive(Clone, Debug)]
pub(crate) struct Disguise {
    alphabet: Arc<Alphabet>,
    /// Whether names in messages take part, even if they are plain identifiers.
    names: bool,
    /// Literals of the template that take part: where they stand and what they become.
    operands: Vec<(Range<usize>, String)>,
    control: ControlTokens,
}

#[derive(Debug, Default)]
struct Alphabet {
    exchanged: HashMap<char, char>,
    original: HashMap<char, char>,
}

impl Disguise {
    /// Disguises to try, the strictest first. None if the conversation has more different characters than the private
    /// planes. `visit_all` shows every string of the request to what it is given.
    pub(crate) fn candidates<'a>(
        template: &'a str,
        named_tokens: impl Iterator<Item = &'a str>,
        control: &ControlTokens,
        visit_all: impl Fn(&mut Visit<'_>),
    ) -> Vec<Self> {
        let mut texts = Vec::new();
        visit_all(&mut |text, _| {
            texts.push(text.to_owned());
            text.to_owned()
        });
        let others = named_tokens.chain([template]);
        let Some(alphabet) = Alphabet::new(&texts, others) else { return Vec::new() };
        let operands: Vec<_> = literals::operands(template)
            .into_iter()
            .filter(|Operand { value, .. }| takes_part(value, &texts))
            .map(|operand| (operand.range, alphabet.exchange(&operand.value)))
            .collect();
        let strict =
            Self { alphabet: Arc::new(alphabet), names: true, operands, control: control.clone() };
        let mut candidates = vec![strict.clone()];
        candidates.push(Self { names: false, ..strict.clone() });
        if !strict.operands.is_empty() {
            candidates.push(Self { operands: Vec::new(), ..strict });
        }
        candidates
    }

    /// A string of the request in disguise.
    pub(crate) fn put_on(&self, text: &str, kind: Kind) -> String {
        let may_stay = match kind {
            Kind::Text => false,
            Kind::Name => !self.names,
            Kind::Word => true,
        };
        if may_stay && is_identifier(text) && !self.control.occur_in(text) {
            return text.into();
        }
        self.alphabet.exchange(text)
    }

    /// The template with its operands in disguise, if that differs.
    pub(crate) fn template(&self, template: &str) -> Option<String> {
        let differs = !self.operands.is_empty();
        differs.then(|| literals::replace(template, &self.operands))
    }

    /// The true text of what was rendered in disguise.
    pub(crate) fn take_off(&self, rendered: &str) -> Rendered {
        let mut pieces: Vec<(String, bool)> = Vec::new();
        // Characters that no disguise covers, since the last of the user's: they are taken for the user's if
        // another of these follows.
        let mut between = String::new();
        let mut after_user = false;
        for char in rendered.chars() {
            if let Some(&original) = self.alphabet.original.get(&char) {
                let mut text = std::mem::take(&mut between);
                if !after_user {
                    pieces.push((std::mem::take(&mut text), false));
                }
                text.push(original);
                pieces.push((text, true));
                after_user = true;
            } else {
                if after_user && !keeps_its_look(char) {
                    pieces.push((std::mem::take(&mut between), false));
                    after_user = false;
                }
                between.push(char);
            }
        }
        pieces.push((between, false));
        Rendered::new(pieces, Guard::Exact)
    }
}

impl Alphabet {
    /// Finds a character in exchange for each of `texts`; none that occurs in `texts` or `others`.
    fn new<'a>(texts: &[String], others: impl Iterator<Item = &'a str>) -> Option<Self> {
        let is_private = |char: &char| PRIVATE.iter().any(|it| it.contains(&u32::from(*char)));
        let all = texts.iter().flat_map(|text| text.chars());
        let chars = all.clone().chain(others.flat_map(str::chars));
        let taken: HashSet<char> = chars.filter(is_private).collect();
        let private = PRIVATE.into_iter().flatten().filter_map(char::from_u32);
        let mut free = private.filter(|char| !taken.contains(char));
        let mut alphabet = Self::default();
        for char in all.filter(|&char| !keeps_its_look(char)) {
            if let Entry::Vacant(entry) = alphabet.exchanged.entry(char) {
                let instead = *entry.insert(free.next()?);
                alphabet.original.insert(instead, char);
            }
        }
        Some(alphabet)
    }

    fn exchange(&self, text: &str) -> String {
        text.chars().map(|char| self.exchanged.get(&char).copied().unwrap_or(char)).collect()
    }
}

/// Whether a literal is one that conversations contain, rather than a word that templates compare roles and types with.
fn takes_part(value: &str, texts: &[String]) -> bool {
    let telling = |char: char| !(keeps_its_look(char) || char.is_alphanumeric() || char == '_');
    value.contains(telling) && texts.iter().any(|text| text.contains(value))
}

fn keeps_its_look(char: char) -> bool {
    char.is_whitespace() || char.is_control() || matches!(char, '"' | '\\')
}

fn is_identifier(text: &str) -> bool {
    text.chars().all(|char| char.is_ascii_alphanumeric() || "_-.$".contains(char))
}
