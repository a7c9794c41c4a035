//! Answers that are held to a form: which tokens may come next, so that what is written is JSON of a schema.

mod compile;

pub(crate) use compile::Forms;

use llguidance::Matcher;
use std::fmt;

/// The form of one answer, and how far it is.
#[derive(Clone)]
pub struct Form {
    matcher: Matcher,
    /// Up to this token everything is allowed: the end of the model's thoughts.
    after: Option<u32>,
    /// Tokens that come first, whatever the model would say, the next one last.
    opening: Vec<u32>,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Form { after, opening, .. } = self;
        f.debug_struct("Form")
            .field("after", after)
            .field("opening", opening)
            .finish_non_exhaustive()
    }
}

impl Form {
    fn new(matcher: Matcher) -> Form {
        Form { matcher, after: None, opening: Vec::new() }
    }

    /// The same, beginning after a token that the model writes by itself.
    pub(crate) fn after(self, token: Option<u32>) -> Form {
        Form { after: token, ..self }
    }

    /// The same, after tokens that are written first.
    pub(crate) fn opened_by(self, mut tokens: Vec<u32>) -> Form {
        tokens.reverse();
        Form { opening: tokens, ..self }
    }

    /// Takes away all tokens that may not come next.
    pub(crate) fn constrain(&mut self, logits: &mut [f32]) -> Result<(), String> {
        if self.after.is_some() {
            return Ok(());
        }
        if let Some(&next) = self.opening.last() {
            keep(logits, |token| token == next as usize);
            return Ok(());
        }
        let allowed = self.matcher.compute_mask_or_eos().map_err(|error| first_line(&error))?;
        keep(logits, |token| token < allowed.len() && allowed.get(token));
        Ok(())
    }

    /// Notes the token that was chosen; whether the answer is complete with it.
    pub(crate) fn take(&mut self, token: u32) -> Result<bool, String> {
        if let Some(after) = self.after {
            self.after = Some(after).filter(|&after| after != token);
            return Ok(false);
        }
        if self.opening.pop().is_some() {
            return Ok(false);
        }
        self.matcher.consume_token(token).map_err(|error| first_line(&error))?;
        Ok(self.matcher.is_stopped())
    }
}

/// Logits of others are such that nothing chooses them.
fn keep(logits: &mut [f32], allowed: impl Fn(usize) -> bool) {
    for (token, logit) in logits.iter_mut().enumerate() {
        if !allowed(token) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// What is wrong, short enough for a message.
fn first_line(error: &dyn fmt::Display) -> String {
    const LONGEST: usize = 300;
    let text = error.to_string();
    text.lines().next().unwrap_or_default().chars().take(LONGEST).collect()
}
