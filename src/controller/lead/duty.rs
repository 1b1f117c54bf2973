//! Whether this process may begin something: it leads, and was not told to end.

use std::sync::Arc;

use tokio::sync::watch;

use super::term::{Leadership, Term};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Duty {
    leadership: Arc<Leadership>,
    /// True once the process was told to end.
    stopped: watch::Receiver<bool>,
}

impl Duty {
    pub(crate) fn new(leadership: Arc<Leadership>, stopped: watch::Receiver<bool>) -> Self {
        Self { leadership, stopped }
    }

    /// The term in which work may begin.
    pub(crate) fn term(&self) -> Option<Term> {
        self.leadership.term().filter(|_| !self.is_ending())
    }

    /// Resolves when this term is over.
    pub(crate) async fn ended(&self, term: Term) {
        self.leadership.ended(term).await;
    }

    /// Whether the process was told to end; asked between any two effects (`F10`).
    pub(crate) fn is_ending(&self) -> bool {
        *self.stopped.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::fixtures::Seconds;

    #[test]
    fn work_begins_only_in_a_term_of_a_process_that_was_not_told_to_end() {
        let leadership = Leadership::always(Arc::new(Seconds::default()));
        let (stop, stopped) = watch::channel(false);
        let duty = Duty::new(Arc::clone(&leadership), stopped);
        assert!(duty.term().is_some());
        stop.send_replace(true);
        assert!(duty.term().is_none() && duty.is_ending());
        stop.send_replace(false);
        leadership.end();
        assert!(duty.term().is_none() && !duty.is_ending());
    }
}
