//! Where functions start and end, by their braces.

/// A function and its extent, in lines counted from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first: usize,
    pub(super) lines: usize,
}

/// The functions with a body in `code`, which must be free of comments and literals.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut offset = 0;
    for (first, line) in code.split_inclusive('\n').enumerate() {
        if let Some((column, name)) = header(line)
            && let Some(length) = body_end(&code[offset + column..])
        {
            let body = &code[offset + column..offset + column + length];
            let lines = 1 + body.matches('\n').count();
            found.push(Function { name: name.to_owned(), first, lines });
        }
        offset += line.len();
    }
    found
}

/// The column of `fn` and the name behind it, when the line starts a function.
fn header(line: &str) -> Option<(usize, &str)> {
    let column = if line.starts_with("fn ") { 0 } else { line.find(" fn ")? + 1 };
    let qualifiers = ["pub", "const", "async", "unsafe", "extern", "default"];
    let is_qualifier = |word: &str| {
        qualifiers.contains(&word) || word.starts_with("pub(") || word.starts_with('"')
    };
    if !line[..column].split_whitespace().all(is_qualifier) {
        return None;
    }
    let rest = &line[column + "fn ".len()..];
    let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
    (end > 0).then_some((column, &rest[..end]))
}

/// Length up to the closing brace; `None` when a semicolon ends the signature.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (index, char) in code.char_indices() {
        match char {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 => return Some(index),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(code: &str) -> Vec<(String, usize, usize)> {
        functions(code).into_iter().map(|f| (f.name, f.first, f.lines)).collect()
    }

    #[test]
    fn bodies_are_measured_and_declarations_are_not() {
        let code = "trait T {\n    fn a(&self,\n        b: [u8; 4]);\n}\npub(crate) const unsafe fn c(\n) {\n    \
                    if x {}\n}\nfn d() {}\n";
        assert_eq!(lengths(code), [("c".into(), 4, 4), ("d".into(), 8, 1)]);
    }

    #[test]
    fn a_function_type_is_no_function() {
        assert_eq!(lengths("type F = fn (u8) -> u8;\nlet x: Box<dyn fn ()> = y;\n"), []);
    }
}
