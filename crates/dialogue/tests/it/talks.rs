//! Turns feed what is new, and answer as if everything had been fed.

use crate::setup::{House, options};
use flint_chat::Event;
use flint_dialogue::{DialogueError, Overflow, Talk, TalkEvent, TurnOptions};
use std::ops::ControlFlow;

#[test]
fn a_second_turn_feeds_only_what_is_new_and_answers_as_if_all_was_fed() {
    let mut house = House::new(256);
    let mut talk = Talk::new();
    talk.conversation_mut().set_system("Tell stories.");
    let first = house.ask(&mut talk, "Once upon a time", &options(20)).unwrap();
    assert_eq!((first.kept, first.generated.tokens.len()), (0, 20));
    let mut heard = Vec::new();
    let second = house
        .ask_heard(&mut talk, "And then?", &options(20), &mut |event| {
            heard.push(event);
            ControlFlow::Continue(())
        })
        .unwrap();
    let TalkEvent::Prompt { tokens, kept, dropped } = heard[0] else { panic!("{heard:?}") };
    let fed = second.generated.prompt_tokens.len();
    assert_eq!((tokens, dropped), (kept + fed, 0));
    assert!(kept > first.generated.prompt_tokens.len(), "{kept} of {tokens} were kept");

    // The same conversation on a sequence that holds nothing.
    talk.release(&mut house.engine);
    let mut anew = Talk::new();
    *anew.conversation_mut() = talk.conversation().clone();
    anew.conversation_mut().undo().unwrap();
    let other = house.ask(&mut anew, "And then?", &options(20)).unwrap();
    assert_eq!((other.kept, other.generated.prompt_tokens.len()), (0, tokens));
    assert_eq!(other.generated.tokens, second.generated.tokens);
    assert_eq!(other.answer, second.answer);
    let shown: String = heard
        .into_iter()
        .filter_map(|event| match event {
            TalkEvent::Answer(Event::Content(text)) => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(shown, second.answer.content);
}

#[test]
fn a_changed_conversation_keeps_what_it_has_in_common() {
    let mut house = House::new(256);
    let mut talk = Talk::new();
    let first = house.ask(&mut talk, "Once upon a time", &options(8)).unwrap();
    talk.conversation_mut().undo().unwrap();
    let again = house.ask(&mut talk, "Once upon a time", &options(8)).unwrap();
    assert_eq!(again.kept, first.generated.prompt_tokens.len() - 1);
    assert_eq!(again.generated.tokens, first.generated.tokens);
    let free = house.engine.kv_pages_free();
    talk.release(&mut house.engine);
    assert!(house.engine.kv_pages_free() > free);
}

#[test]
fn a_conversation_that_outgrows_the_context_is_refused_or_forgets_its_oldest_turns() {
    let mut house = House::new(80);
    let mut talk = Talk::new();
    talk.conversation_mut().set_system("Tell stories.");
    let refused = loop {
        assert!(talk.conversation().messages().len() < 20);
        if let Err(error) = house.ask(&mut talk, "Once upon a time", &options(10)) {
            break error;
        }
    };
    assert!(matches!(refused, DialogueError::ContextFull { needed: 80.., limit: 80 }), "{refused}");
    let before = talk.conversation().clone();
    let dropping = TurnOptions { overflow: Overflow::DropOldest, ..options(10) };
    let reply = house.ask(&mut talk, "Once upon a time", &dropping).unwrap();
    assert!(reply.dropped > 0);
    assert_eq!(reply.generated.tokens.len(), 10);
    assert_eq!(talk.conversation().system().as_deref(), Some("Tell stories."));
    assert!(talk.conversation().messages().len() <= before.messages().len());
    // A question that does not fit alone is refused in any case, and nothing is forgotten for it.
    let before = talk.conversation().clone();
    let long = "a long story ".repeat(40);
    assert!(house.ask(&mut talk, &long, &dropping).is_err());
    assert_eq!(*talk.conversation(), before);
}

#[test]
fn an_answer_that_is_stopped_counts_as_far_as_it_came() {
    let mut house = House::new(256);
    let mut talk = Talk::new();
    let mut pieces = 0;
    let reply = house
        .ask_heard(&mut talk, "Once upon a time", &options(50), &mut |event| {
            pieces += usize::from(matches!(event, TalkEvent::Answer(_)));
            if pieces == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert!(reply.generated.tokens.len() < 10);
    assert_eq!(talk.conversation().messages()[1].joined(), reply.answer.content);

    // Nothing was answered yet: the question is taken back.
    let before = talk.conversation().clone();
    let mut stop = |_: TalkEvent| ControlFlow::Break(());
    let reply = house.ask_heard(&mut talk, "And then?", &options(50), &mut stop).unwrap();
    assert!(reply.generated.tokens.is_empty());
    assert_eq!(*talk.conversation(), before);
}
