//! Prompts are what transformers renders, byte for byte.

use flint_chat::{ChatError, Guard, Message, Moment, Rendered};
use serde_json::{Value, json};

use crate::fixtures::{models, options, template, with_tools};

#[test]
fn real_templates_render_as_in_transformers() {
    for model in models().templates {
        let template = model.template();
        for case in &model.cases {
            let add_generation_prompt = case.add_generation_prompt;
            let options = flint_chat::RenderOptions { add_generation_prompt, ..options() };
            let text = template.render_text(&case.messages, &options).unwrap();
            assert_eq!(text, case.expected, "{}", model.name);
            let rendered = template.render(&case.messages, &options).unwrap();
            assert_eq!(rendered.text(), case.expected, "{}", model.name);
            assert_eq!(rendered.guard(), Guard::Exact, "{}", model.name);
        }
    }
}

#[test]
fn real_templates_with_tools_render_as_in_transformers() {
    let models = models().templates;
    for case in with_tools() {
        let model = models.iter().find(|model| model.name == case.model).unwrap();
        let mut options = options();
        options.tools = case.tools.as_deref().unwrap_or_default();
        options.variables = case.variables;
        let result = model.template().render(&case.messages, &options);
        let name = format!("{} {}", case.model, case.name);
        match (result, case.expected) {
            (Ok(rendered), Some(expected)) => {
                assert_eq!(rendered.text(), expected, "{name}");
                assert_eq!(rendered.guard(), Guard::Exact, "{name}");
            }
            (Err(ChatError::Refused(text)), None) => assert_eq!(Some(text), case.error, "{name}"),
            (result, expected) => panic!("{name}: {result:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn what_a_template_refuses_is_refused_in_its_words() {
    let models = models();
    for case in models.refused {
        let model = models.templates.iter().find(|model| model.name == case.name).unwrap();
        let refused = model.template().render(&case.messages, &options()).unwrap_err();
        assert_eq!(refused, ChatError::Refused(case.error.clone()));
        assert_eq!(refused.to_string(), case.error);
    }
}

/// Renders a template with one user message and the variable `x`.
fn with(text: &str, x: Value) -> Rendered {
    let mut options = options();
    options.variables.insert("x".into(), x);
    template(text).render(&[Message::user("hi")], &options).unwrap()
}

#[test]
fn tojson_writes_what_python_writes() {
    let x = json!({"b": [1, 2.0, 1e-7, 1e16, 1e22, -0.0, true, null], "a": "<é&'\"\\\n\u{1}/>", "e": {}, "l": []});
    let plain = r#"{"b": [1, 2.0, 1e-07, 1e+16, 1e+22, -0.0, true, null], "a": "<é&'\"\\\n\u0001/>", "e": {}, "l": []}"#;
    assert_eq!(with("{{ x | tojson }}", x.clone()).text(), plain);
    let ascii = plain.replace('é', "\\u00e9");
    assert_eq!(with("{{ x | tojson(ensure_ascii=true) }}", x).text(), ascii);
    let x = json!({"b": [1, {}], "a": {"c": "d"}});
    assert_eq!(
        with("{{ x | tojson(indent=2) }}", x.clone()).text(),
        "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": {\n    \"c\": \"d\"\n  }\n}"
    );
    assert_eq!(
        with("{{ x | tojson(separators=(',', ':'), sort_keys=true) }}", x).text(),
        r#"{"a":{"c":"d"},"b":[1,{}]}"#
    );
}

#[test]
fn python_expressions_of_templates_work() {
    // What Jinja2 3.1.6 prints for each.
    let cases = [
        ("{{ x.split('</t>')[-1].lstrip('\\n') }}", json!("a</t>\n\nb"), "b"),
        ("{{ x[::-1] | join(',') }}{{ x[1:] | length }}", json!(["a", "b", "c"]), "c,b,a2"),
        ("{{ x[:-1] }}", json!("abc"), "ab"),
        ("{{ x.partition('=')[2] }}{{ x.rsplit('=', 1)[0] }}", json!("a=b=c"), "b=ca=b"),
        ("{{ x.removeprefix('a').removesuffix('c') }}", json!("abc"), "b"),
        ("{% for k, v in x.items() %}{{ k }}{{ v }}{% endfor %}", json!({"z": 1, "a": 2}), "z1a2"),
        ("{{ x.get('no', 'd') }}{{ x.get('no') }}", json!({}), "dNone"),
        ("{{ x is iterable }}{{ x is mapping }}{{ x is sequence }}", json!("s"), "TrueFalseTrue"),
        ("{{ none }}{{ true }}{{ 1.0 }}{{ undefined_name }}", json!(0), "NoneTrue1.0"),
        (
            "{% for i in x %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            json!([1, 2, 3, 4, 5]),
            "13",
        ),
        (
            "{% set n = namespace(a=1 if x else 2) %}{% set n.a = n.a + 1 %}{{ n.a }}",
            json!(true),
            "2",
        ),
        (
            "{{ x | selectattr('role', 'equalto', 'user') | list | length }}",
            json!([{"role": "user"}, {"role": "b"}]),
            "1",
        ),
        ("{% generation %}{{ x }}{% endgeneration %}\nb", json!("a"), "ab"),
        ("{% macro m(a, b='c') %}{{ a ~ b }}{% endmacro %}{{ m(x) }}", json!("a"), "ac"),
        ("  {% if x %}\na\n  {% endif %}\nb\n", json!(1), "a\nb"),
        (
            "{{ x | string + 'a' }}{{ x | tojson | length }}",
            json!({"a": ["b", null]}),
            "{'a': ['b', None]}a18",
        ),
        ("{{ '{}-{}'.format(x, 3) }}{{ x.title() }}", json!("ab"), "ab-3Ab"),
        ("{{ 'b' in x and 'z' not in x }}", json!("abc"), "True"),
        ("{{ x | trim }}|{{ x.strip('a') }}", json!(" aba "), "aba| aba "),
    ];
    for (text, x, expected) in cases {
        assert_eq!(with(text, x).text(), expected, "{text}");
    }
}

#[test]
fn the_clock_is_the_one_given() {
    let at = |days: i64| Moment::from_unix(days * 86_400 + 13 * 3600 + 5 * 60 + 9, 0);
    let shown = |moment: Moment, format: &str| moment.strftime(format).unwrap();
    assert_eq!(shown(at(0), "%Y-%m-%d %A"), "1970-01-01 Thursday");
    assert_eq!(
        shown(at(19_782), "%d %b %Y|%B %-d, %y|%H:%M:%S|%I %p|%j"),
        "29 Feb 2024|February 29, 24|13:05:09|01 PM|060"
    );
    assert_eq!(shown(at(-1), "%Y-%m-%d"), "1969-12-31");
    assert_eq!(shown(Moment::from_unix(-1, 3600), "%c"), "Thu Jan  1 00:59:59 1970");
    assert_eq!(shown(Moment::from_unix(i64::MAX, 1), "%Y"), "9999");
    assert_eq!(shown(Moment::from_unix(i64::MIN, -1), "%Y-%m-%d"), "0001-01-01");
    assert_eq!(at(0).strftime("%Q"), None);
    assert_eq!(Moment::from_date(2025, 2, 29), None);
    let error = template("\n{{ strftime_now('%Q') }}").render_text(&[], &options()).unwrap_err();
    assert!(matches!(error, ChatError::Template { line: 2, .. }), "{error}");
}
