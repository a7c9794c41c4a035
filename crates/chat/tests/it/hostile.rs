//! Templates that are wrong or mean harm end in an error.

use flint_chat::{ChatError, Limits, Message, Source, Template};

use crate::fixtures::{options, template};

fn failure(text: &str) -> ChatError {
    template(text).render(&[Message::user("hi")], &options()).unwrap_err()
}

#[test]
fn a_wrong_template_is_refused_with_its_line() {
    for text in ["a\nb{% if %}", "\n{{ 'a }}", "\n{% unknown %}", "\n{% include 'x' %}"] {
        let refused =
            Template::new(Source::new(text)).map(|template| template.render(&[], &options()));
        let error = match refused {
            Err(error) | Ok(Err(error)) => error,
            Ok(Ok(rendered)) => panic!("{text}: {rendered:?}"),
        };
        assert!(matches!(error, ChatError::Template { line: 2, .. }), "{text}: {error}");
    }
    let error = failure("a\n\n{{ messages[0].content + 1 }}");
    assert!(matches!(error, ChatError::Template { line: 3, .. }), "{error}");
    assert!(matches!(failure("{{ no_such.attribute }}"), ChatError::Template { .. }));
    assert!(matches!(failure("{{ 1 | no_such_filter }}"), ChatError::Template { .. }));
}

#[test]
fn work_is_bounded() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    assert!(matches!(failure(nested), ChatError::TooMuchWork { .. }));
    let doubled = "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}";
    for greedy in [doubled, "{{ 'a' * 99999999999 }}", "{{ range(99999999999) | list }}"] {
        let error = failure(greedy);
        let bounded = matches!(error, ChatError::TooMuchWork { .. } | ChatError::Template { .. });
        assert!(bounded, "{greedy}: {error}");
    }
}

#[test]
fn depth_is_bounded() {
    let recursive = "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}";
    assert!(matches!(failure(recursive), ChatError::Template { .. }));
    let nested = "{% set n = namespace(x=[]) %}{% for i in range(9000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x | tojson }}";
    assert!(matches!(failure(nested), ChatError::Template { .. }));
    let brackets = "{{ ".to_owned() + &"(".repeat(100_000) + "1";
    assert!(matches!(Template::new(Source::new(brackets)), Err(ChatError::Template { .. })));
}

#[test]
fn text_is_bounded() {
    let limits = Limits { output: 1000, source: 100, ..Limits::default() };
    let written = "{% for i in range(200) %}aaaaaaaaaa{% endfor %}";
    let long = Template::with_limits(Source::new(written), limits).unwrap();
    let error = long.render(&[], &options()).unwrap_err();
    assert_eq!(error, ChatError::TooMuchText { limit: 1000 });
    let error = Template::with_limits(Source::new("a".repeat(101)), limits).unwrap_err();
    assert_eq!(error, ChatError::TemplateTooLong { bytes: 101, limit: 100 });
}

#[test]
fn a_request_cannot_replace_the_frame() {
    let mut options = options();
    options.variables.insert("messages".into(), "forged".into());
    options.variables.insert("bos_token".into(), "forged".into());
    options.variables.insert("strftime_now".into(), "forged".into());
    let source = Source {
        named_tokens: [("bos_token".to_owned(), "<s>".to_owned())].into(),
        ..Source::new("{{ bos_token }}{{ messages[0].content }}{{ strftime_now('%Y') }}")
    };
    let text =
        Template::new(source).unwrap().render_text(&[Message::user("hi")], &options).unwrap();
    assert_eq!(text, "<s>hi2025");
}
