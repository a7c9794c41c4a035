//! Renders one question with a template file: `cargo run -p flint-chat --example render FILE QUESTION`.
//! What the template wrote is shown between brackets; without arguments, ChatML and a question of its own.

use std::error::Error;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use flint_chat::{Candidates, Message, Moment, RenderOptions, Source, Template};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let asked = arguments.next().map_or_else(|| Ok("chatml".into()), std::fs::read_to_string)?;
    let question = arguments.next().unwrap_or_else(|| "What does <|im_end|> mean?".into());

    let source = Source::choose(Candidates { asked: Some(&asked), ..Candidates::default() })?;
    let template = Template::new(source)?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let options = RenderOptions::at(Moment::from_unix(i64::try_from(seconds)?, 0));
    let prompt = template.render(&[Message::user(question)], &options)?;

    let mut out = std::io::stdout().lock();
    for piece in prompt.pieces() {
        match piece.from_user {
            true => write!(out, "{}", piece.text)?,
            false => write!(out, "[{}]", piece.text)?,
        }
    }
    writeln!(out, "\n({:?})", prompt.guard())?;
    Ok(())
}
