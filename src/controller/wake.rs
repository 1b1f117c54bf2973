//! Asks for a pass over an object, from anywhere.

use futures::{Stream, StreamExt, channel::mpsc};
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::BunqOAuthClient;

/// Cheap to clone. The queue behind it holds each object once.
#[derive(Clone)]
pub(crate) struct Waker {
    sender: mpsc::UnboundedSender<ObjectRef<BunqOAuthClient>>,
}

impl Waker {
    /// A waker, and the stream of what it asked for.
    pub(crate) fn new() -> (Self, impl Stream<Item = ObjectRef<BunqOAuthClient>> + Send + 'static) {
        let (sender, receiver) = mpsc::unbounded();
        (Self { sender }, receiver.map(|object| object))
    }

    /// Asks for a pass over one object.
    pub(crate) fn wake(&self, object: &BunqOAuthClient) {
        // It fails only while the process ends.
        let _ = self.sender.unbounded_send(ObjectRef::from_obj(object));
    }

    /// Asks for a pass over every object that `which` names.
    pub(crate) fn wake_where(&self, store: &Store<BunqOAuthClient>, which: impl Fn(&BunqOAuthClient) -> bool) {
        for object in store.state_filter(|object| which(object)) {
            self.wake(&object);
        }
    }
}
