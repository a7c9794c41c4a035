//! An engine over tiny-opt, and the template that it is talked to in.

use flint_chat::{Message, Moment};
use flint_dialogue::{DialogueError, Prompter, Reply, Talk, TalkEvent, TurnOptions};
use flint_engine::{
    Controls, Engine, MemoryBudget, OpenModel, PlannedEngine, RunOptions, Tokenizer,
};
use flint_fixtures::tiny_opt_bundle;
use std::ops::ControlFlow;

pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) codec: Tokenizer,
    pub(crate) prompter: Prompter,
}

impl House {
    pub(crate) fn new(context: usize) -> House {
        let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
        let codec = files.codec().unwrap().unwrap();
        let prompter = Prompter::new(&files, &codec, Some("chatml")).unwrap();
        let memory = MemoryBudget::Percent(1000.0);
        let options = RunOptions { memory, ..RunOptions::default() };
        let engine = PlannedEngine::new(files, options, Some(context)).unwrap();
        House { engine: engine.load(&mut |_, _| {}).unwrap(), codec, prompter }
    }

    pub(crate) fn ask(
        &mut self,
        talk: &mut Talk,
        question: &str,
        options: &TurnOptions,
    ) -> Result<Reply, DialogueError> {
        self.ask_heard(talk, question, options, &mut |_| ControlFlow::Continue(()))
    }

    pub(crate) fn ask_heard(
        &mut self,
        talk: &mut Talk,
        question: &str,
        options: &TurnOptions,
        listen: &mut dyn FnMut(TalkEvent) -> ControlFlow<()>,
    ) -> Result<Reply, DialogueError> {
        let House { engine, codec, prompter } = self;
        let (message, controls) = (Message::user(question), Controls::default());
        talk.ask(engine, codec, prompter, message, options, &controls, listen)
    }
}

pub(crate) fn options(max_tokens: usize) -> TurnOptions {
    let now = Moment::from_date(2025, 3, 14).unwrap();
    TurnOptions { max_tokens: Some(max_tokens), ..TurnOptions::at(now) }
}
