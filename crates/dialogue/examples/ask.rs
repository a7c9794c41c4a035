//! Asks a model one question: `cargo run --release -p flint-dialogue --example ask MODEL QUESTION`.

use flint_chat::{Event, Message, Moment};
use flint_dialogue::{Prompter, Talk, TalkEvent, TurnOptions};
use flint_engine::{Controls, OpenModel, PlannedEngine, RunOptions};
use std::error::Error;
use std::io::{Write, stdout};
use std::ops::ControlFlow;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(question)) = (arguments.next(), arguments.next()) else {
        return Err("give a model and a question".into());
    };
    let files = OpenModel::open(model.as_ref())?;
    let codec = files.codec()?.ok_or("the model has no tokenizer")?;
    let prompter = Prompter::new(&files, &codec, None)?;
    let prepared = PlannedEngine::new(files, RunOptions::default(), Some(2048))?;
    let mut engine = prepared.load(&mut |_, _| {})?;
    let (options, controls) = (TurnOptions::at(Moment::from_unix(0, 0)), Controls::default());
    let message = Message::user(question);
    let mut show = |event: TalkEvent| {
        if let TalkEvent::Answer(Event::Content(text)) = event {
            // Where nobody reads, the answer is still waited for.
            let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
        }
        ControlFlow::Continue(())
    };
    let mut talk = Talk::new();
    talk.ask(&mut engine, &codec, &prompter, message, &options, &controls, &mut show)?;
    writeln!(stdout())?;
    Ok(())
}
