//! Lists are read in small pages, so that a long one is never in memory at once.

use std::{fmt::Debug, future::Future};

use kube::{api::ListParams, core::ObjectList};

use super::{
    error::Stop,
    kube_call::{KubeCall, kube_call},
};

const PAGE: u32 = 50;

/// Hands everything that `list` finds under `selector` to `take`, page by page.
pub(crate) async fn each<K, Page>(
    call: KubeCall,
    namespace: &str,
    selector: &str,
    list: impl Fn(ListParams) -> Page,
    mut take: impl FnMut(K),
) -> Result<(), Stop>
where
    K: Clone + Debug,
    Page: Future<Output = Result<ObjectList<K>, kube::Error>>,
{
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    loop {
        let page = kube_call(call, || format!("in {namespace}"), list(params.clone())).await?;
        page.items.into_iter().for_each(&mut take);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}
