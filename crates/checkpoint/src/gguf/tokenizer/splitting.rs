//! How byte-level vocabularies cut a text into pieces before they merge: regular expressions by the name that files give.
//!
//! The expressions are those that the publishers of the models put into their `tokenizer.json`. Several are applied one
//! after the other, each to what the ones before it have left as pieces.

/// One way to cut a text, and what goes with it.
#[derive(Debug, Clone)]
pub(super) struct Splitting {
    /// Regular expressions in the order in which they are applied.
    pub(super) expressions: Vec<String>,
    /// Whether a piece that is a token as a whole is taken at once, whatever the merges say.
    pub(super) ignore_merges: bool,
    /// Whether a text begins with the begin-of-text token where a file says nothing about it.
    pub(super) add_begin: bool,
}

/// The expressions of the models that share them.
#[derive(Clone, Copy)]
enum Form {
    Gpt2,
    DigitsGpt2,
    Llama3,
    Qwen2,
    Qwen35,
    Falcon,
    DeepSeekLlm,
    DeepSeekCoder,
    DeepSeek3,
    Tekken,
    Gpt4o,
    Bloom,
}

/// Names of `tokenizer.ggml.pre`: those of one form, whether merges are ignored for whole tokens, whether texts begin
/// with a token.
const NAMES: [(&[&str], Form, bool, bool); 14] = [
    (
        &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2", "midm-2.0"],
        Form::Llama3,
        true,
        true,
    ),
    (&["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], Form::Llama3, false, false),
    (
        &["qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "grok-2"],
        Form::Qwen2,
        false,
        false,
    ),
    (&["qwen35"], Form::Qwen35, false, false),
    (&["gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4"], Form::Gpt2, false, false),
    (
        &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
        Form::DigitsGpt2,
        false,
        false,
    ),
    (&["falcon"], Form::Falcon, false, false),
    (&["deepseek-llm"], Form::DeepSeekLlm, false, false),
    (&["deepseek-coder"], Form::DeepSeekCoder, false, false),
    (&["deepseek-v3", "hunyuan-dense"], Form::DeepSeek3, false, false),
    (&["tekken"], Form::Tekken, true, true),
    (&["gpt-4o", "llama4", "kanana2", "minimax-m2"], Form::Gpt4o, false, false),
    (&["poro", "poro-chat", "bloom", "gpt3-finnish"], Form::Bloom, false, false),
    (&["trillion", "granite-docling"], Form::Gpt2, false, false),
];

/// Endings of English words after an apostrophe.
const ENDINGS: &str = "'s|'t|'re|'ve|'m|'ll|'d";

/// The same in either case.
const ANY_CASE_ENDINGS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

/// What most newer models do with all that is neither word nor number.
const REST: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The same, with slashes after punctuation.
const SLASH_REST: &str = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Chinese characters, what lies between them and the Arabic block, and Korean syllables.
const EAST_ASIAN: &str = r"[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+";

/// Letters with a case, as Unicode had them when DeepSeek listed them one by one.
const DEEPSEEK_LETTERS: [&str; 16] = [
    r"A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}",
    r"\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}",
    r"\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}",
    r"\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}",
    r"\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}",
    r"\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}",
    r"\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}",
    r"\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}",
    r"\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124}",
    r"\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}",
    r"\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}",
    r"\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}",
    r"\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}",
    r"\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3}",
    r"\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}",
    r"\x{1e900}-\x{1e943}",
];

/// The way of this name; `None` where it is unknown.
pub(super) fn named(name: &str) -> Option<Splitting> {
    let known = NAMES.iter().find(|(names, ..)| names.contains(&name));
    known.map(|&(_, form, ignore_merges, add_begin)| Splitting {
        expressions: expressions(form),
        ignore_merges,
        add_begin,
    })
}

fn expressions(form: Form) -> Vec<String> {
    let gpt2 = format!(r"{ENDINGS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)");
    let plain = |list: &[&str]| list.iter().map(|&expression| expression.to_owned()).collect();
    match form {
        Form::Gpt2 => vec![gpt2],
        Form::DigitsGpt2 => vec![r"\p{N}".to_owned(), gpt2],
        Form::Falcon => {
            vec![r"[\p{P}\$\+<=>\^~\|`]+".to_owned(), gpt2, "[0-9][0-9][0-9]".to_owned()]
        }
        Form::Llama3 => vec![words(r"\p{L}", r"\p{N}{1,3}", REST)],
        Form::Qwen2 => vec![words(r"\p{L}", r"\p{N}", REST)],
        Form::Qwen35 => {
            let rest = r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
            vec![words(r"[\p{L}\p{M}]", r"\p{N}", rest)]
        }
        Form::DeepSeekLlm => vec![
            r"[\r\n]".to_owned(),
            format!(r"\s?[{}]+", DEEPSEEK_LETTERS.concat()),
            r"\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+"
                .to_owned(),
            r"\s+$".to_owned(),
            EAST_ASIAN.to_owned(),
            r"\p{N}+".to_owned(),
        ],
        Form::DeepSeekCoder => {
            plain(&[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", EAST_ASIAN, r"\p{N}"])
        }
        Form::DeepSeek3 => plain(&[
            r"\p{N}{1,3}",
            r"[\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+",
            concat!(
                r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##,
                r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*",
                r"|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
        ]),
        Form::Tekken => vec![format!(r"{}|\p{{N}}|{SLASH_REST}", cased_words(""))],
        Form::Gpt4o => {
            let ending = format!("{ANY_CASE_ENDINGS}?");
            vec![format!(r"{}|\p{{N}}{{1,3}}|{SLASH_REST}", cased_words(&ending))]
        }
        Form::Bloom => {
            plain(&[r" ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+"])
        }
    }
}

/// Words with the one sign or space before them, numbers, the rest.
fn words(letter: &str, number: &str, rest: &str) -> String {
    format!(r"{ANY_CASE_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?{letter}+|{number}|{rest}")
}

/// Words that end where a small letter is followed by a capital one.
fn cased_words(ending: &str) -> String {
    let (capital, small) = (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]");
    let before = r"[^\r\n\p{L}\p{N}]?";
    format!("{before}{capital}*{small}+{ending}|{before}{capital}+{small}*{ending}")
}
