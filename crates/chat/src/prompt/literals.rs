//! The string literals of a template with which it looks into other texts.
//!
//! `'</think>' in content` asks whether a text contains another. Where user text is rendered in disguise
//! (see [`super::Disguise`]), such a literal has to wear the same disguise to find what it looks for. Literals that are
//! written out must not. This scanner tells the two apart by the place of a literal in its expression; where it is
//! wrong, the rendering differs and the caller notices.

use std::ops::Range;

mod operand;
mod scan;

use scan::Token;

/// A string literal that is compared with, or looked for in, another text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    /// Where it stands in the template, quotes included.
    pub(super) range: Range<usize>,
    /// Its value.
    pub(super) value: String,
}

/// All operands of a template, in order.
pub(super) fn operands(template: &str) -> Vec<Operand> {
    let mut found = Vec::new();
    for expression in scan::expressions(template) {
        let tokens = scan::tokens(template, expression);
        let places = operand::places(&tokens);
        for (token, is_operand) in tokens.iter().zip(places) {
            if let (Token::Literal { range, value }, true) = (token, is_operand) {
                found.push(Operand { range: range.clone(), value: value.clone() });
            }
        }
    }
    found
}

/// The template with the literals in `ranges`, ascending, replaced by literals of other values.
pub(super) fn replace(template: &str, replacements: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut done = 0;
    for (range, value) in replacements {
        out += &template[done..range.start];
        out.push('"');
        for char in value.chars() {
            match char {
                '"' => out += "\\\"",
                '\\' => out += "\\\\",
                '\n' => out += "\\n",
                '\r' => out += "\\r",
                char => out.push(char),
            }
        }
        out.push('"');
        done = range.end;
    }
    out + &template[done..]
}

/// The template with transformers' marks of what a model writes, `{% generation %}`, made into blocks that do nothing.
pub(crate) fn without_generation_marks(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        out += before;
        let inner = tag.trim_start_matches(['-', '+']).trim_start();
        let skipped = tag.len() - inner.len();
        let length = inner.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(inner.len());
        let after = inner[length..].trim_start().trim_start_matches(['-', '+']);
        let instead = match &inner[..length] {
            "generation" if after.starts_with("%}") => "if true",
            "endgeneration" if after.starts_with("%}") => "endif",
            _ => {
                rest = tag;
                continue;
            }
        };
        out += &tag[..skipped];
        out += instead;
        rest = &inner[length..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str) -> Vec<String> {
        operands(template).into_iter().map(|operand| operand.value).collect()
    }

    #[test]
    fn a_literal_that_is_looked_for_is_an_operand() {
        assert_eq!(values("{% if '</think>' in x %}{% endif %}"), ["</think>"]);
        assert_eq!(values("{% if '</a>' not in x and x == '<b>' %}{% endif %}"), ["</a>", "<b>"]);
        assert_eq!(values(r#"{{ x.split('</think>')[-1].lstrip("\n") }}"#), ["</think>", "\n"]);
        assert_eq!(values("{{ x.replace('<a>', '<b>') }}"), ["<a>"]);
        assert_eq!(values("{{ x | replace('<a>', '<b>') | trim('|') }}"), ["<a>", "|"]);
        assert_eq!(values("{% if x in ['<a>', '<b>'] %}{% endif %}"), ["<a>", "<b>"]);
    }

    #[test]
    fn a_literal_that_is_written_is_none() {
        assert_eq!(values("{{ '<a>' + x + '<b>' }}{{ x | default('<c>') }}<d>"), [""; 0]);
        assert_eq!(values("{% set a = '<a>' %}{{ macro('<b>') }}{{ x['<c>'] }}"), [""; 0]);
        assert_eq!(values("{# '<a>' in x #}{% raw %}{{ '<a>' in x }}{% endraw %}"), [""; 0]);
    }

    #[test]
    fn replacing_keeps_the_rest() {
        let template = r#"a{{ "</t\">" in x }}'b'"#;
        let [only] = &operands(template)[..] else { panic!("one operand") };
        assert_eq!(only.value, "</t\">");
        let other = replace(template, &[(only.range.clone(), "\"\n".into())]);
        assert_eq!(other, r#"a{{ "\"\n" in x }}'b'"#);
    }

    #[test]
    fn generation_marks_become_blocks_that_do_nothing() {
        let marked =
            "{%- generation -%}a{{ generation }}{% endgeneration %}{% if generation %}b{% endif %}";
        let expected = "{%- if true -%}a{{ generation }}{% endif %}{% if generation %}b{% endif %}";
        assert_eq!(without_generation_marks(marked), expected);
    }
}
