//! A list of the bank, page by page (`bunq-api §8`).

use crate::bunq::{
    answer::{Believed, Pagination, Reply},
    exchange::{Access, Attempt, Line},
    ground::{Call, Error},
};
use crate::clock;

/// A user has one client, so more pages mean that something is wrong.
const MOST_PAGES: usize = 50;
/// The bank's largest page.
const PAGE_SIZE: u32 = 200;

/// A list at the bank and how to read it.
pub(super) struct Listing<T> {
    pub(super) call: Call,
    /// Below the base URL.
    pub(super) path: String,
    /// Reads an answer as a page of the list at this path.
    pub(super) read: fn(&Believed, &str) -> Result<Page<T>, Error>,
    /// A page moves when something is created meanwhile, and shows an item again.
    pub(super) is_same: fn(&T, &T) -> bool,
}

/// One page of a listing.
pub(crate) struct Page<T> {
    /// In the bank's order.
    pub(crate) items: Vec<T>,
    /// Where the next page is, below the base URL; `None` on the last.
    pub(crate) older: Option<String>,
}

impl<T> Listing<T> {
    /// Everything on every page. Complete or an error, never a part; pauses between pages.
    pub(super) async fn whole(self, line: &Line, access: &Access<'_>) -> Result<Reply<Vec<T>>, Error> {
        let mut path = format!("{}?count={PAGE_SIZE}", self.path);
        let mut items: Vec<T> = Vec::new();
        let mut pages = 1;
        loop {
            let answer = line.exchange(Attempt::access(self.call, path, access)).await?;
            let page = (self.read)(&answer, &self.path)?;
            for item in page.items {
                if !items.iter().any(|known| (self.is_same)(known, &item)) {
                    items.push(item);
                }
            }
            match page.older {
                None => return Ok(answer.reply(items)),
                Some(_) if pages == MOST_PAGES => {
                    return Err(answer.senseless(&format!("it has more than {pages} pages")));
                }
                Some(older) => path = older,
            }
            pages += 1;
            clock::pause(line.page_pause).await;
        }
    }
}

/// Where the page after this one is, if there is one.
pub(super) fn older(answer: &Believed, list: &str, pagination: Option<Pagination>) -> Result<Option<String>, Error> {
    let url = pagination.and_then(|pagination| pagination.older_url);
    url.map(|url| continuation(answer, list, &url)).transpose()
}

/// `/v1/<the same list>?…` only: another host or path would get our session token (`S10`).
fn continuation(answer: &Believed, list: &str, url: &str) -> Result<String, Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~%&=+,".contains(&b);
    url.strip_prefix("/v1/")
        .filter(|path| {
            let query = path.strip_prefix(list).and_then(|r| r.strip_prefix('?'));
            query.is_some_and(|query| query.bytes().all(plain))
        })
        .map(str::to_owned)
        .ok_or_else(|| answer.senseless("its older_url is not a page of the same list"))
}
