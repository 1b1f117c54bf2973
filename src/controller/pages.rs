//! Lists are read in small pages, so that a long one is never in memory at once.

use std::fmt::Debug;

use futures::future::BoxFuture;
use kube::{api::ListParams, core::ObjectList};

use super::{
    error::Stop,
    kube_call::{KubeCall, kube_call},
};

const PAGE: u32 = 50;

type List<K> = Box<dyn Fn(ListParams) -> BoxFuture<'static, Result<ObjectList<K>, kube::Error>> + Send + Sync>;

/// The pages of a list, one after the other.
pub(crate) struct Pages<K: Clone> {
    call: KubeCall,
    namespace: String,
    list: List<K>,
    /// What to ask next; `None` after the last page.
    next: Option<ListParams>,
}

impl<K: Clone + Debug> Pages<K> {
    /// Everything that `list` finds under `selector`.
    pub(crate) fn new(
        call: KubeCall,
        namespace: &str,
        selector: &str,
        list: impl Fn(ListParams) -> BoxFuture<'static, Result<ObjectList<K>, kube::Error>> + Send + Sync + 'static,
    ) -> Self {
        let next = Some(ListParams::default().labels(selector).limit(PAGE));
        Self { call, namespace: namespace.to_owned(), list: Box::new(list), next }
    }

    /// The next page.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<K>>, Stop> {
        let Some(params) = self.next.take() else { return Ok(None) };
        let located = || format!("in {}", self.namespace);
        let page = kube_call(self.call, located, (self.list)(params.clone())).await?;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        self.next = token.map(|token| params.continue_token(&token));
        Ok(Some(page.items))
    }
}
