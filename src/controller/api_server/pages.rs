//! Lists are read in small pages, so that a long one is never in memory at once.

use std::fmt::Debug;

use futures::{FutureExt, future::BoxFuture};
use kube::{
    Api,
    api::ListParams,
    core::{ObjectList, PartialObjectMeta},
};
use serde::de::DeserializeOwned;

use super::call::{CallError, KubeCall, call};

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

impl<K> Pages<K>
where
    K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// Everything under `selector`.
    pub(crate) fn of(call: KubeCall, api: &Api<K>, namespace: &str, selector: &str) -> Self {
        let api = api.clone();
        Self::new(call, namespace, selector, move |params| {
            let api = api.clone();
            async move { api.list(&params).await }.boxed()
        })
    }
}

impl<K> Pages<PartialObjectMeta<K>>
where
    K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// The metadata of everything under `selector`.
    pub(crate) fn metadata_of(call: KubeCall, api: &Api<K>, namespace: &str, selector: &str) -> Self {
        let api = api.clone();
        Self::new(call, namespace, selector, move |params| {
            let api = api.clone();
            async move { api.list_metadata(&params).await }.boxed()
        })
    }
}

impl<K: Clone + Debug> Pages<K> {
    fn new(
        call: KubeCall,
        namespace: &str,
        selector: &str,
        list: impl Fn(ListParams) -> BoxFuture<'static, Result<ObjectList<K>, kube::Error>> + Send + Sync + 'static,
    ) -> Self {
        let next = Some(ListParams::default().labels(selector).limit(PAGE));
        Self { call, namespace: namespace.to_owned(), list: Box::new(list), next }
    }

    /// The next page.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<K>>, CallError> {
        let Some(params) = self.next.take() else { return Ok(None) };
        let located = || format!("in {}", self.namespace);
        let page = call(self.call, located, (self.list)(params.clone())).await?;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        self.next = token.map(|token| params.continue_token(&token));
        Ok(Some(page.items))
    }
}
