//! What transports made of one piece of news, kept with it, so that a thousand subscribers with the same question cost
//! one answer. It lives as long as the news itself: until the slowest of those who listen has taken it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

/// All that a rendering depends on besides the news, as a digest.
pub type What = [u8; 32];

/// How many renderings are kept of one piece of news. A question that is asked once only is not worth being kept, and
/// many of those must not fill the memory.
const KEPT: usize = 64;
/// How many bytes of them are kept: a thousand pieces may wait for a slow reader.
const KEPT_BYTES: usize = 64 << 10;

type Rendering = Arc<OnceCell<Arc<str>>>;
type Key = (What, u64);

/// The renderings of one piece of news.
#[derive(Debug, Default)]
pub struct Renderings(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    places: HashMap<Key, Rendering>,
    bytes: usize,
}

impl Renderings {
    /// The rendering of `what` with rights of this version, made by `render` if nobody has made it yet. One that fails is
    /// not kept, and neither is what would be too much.
    pub async fn get_or_render<'r, E>(
        &self,
        (what, version): (&What, u64),
        render: impl FnOnce() -> BoxFuture<'r, Result<Arc<str>, E>>,
    ) -> Result<Arc<str>, E> {
        let key = (*what, version);
        let Some(place) = self.place(key) else {
            return render().await;
        };
        let text = place.get_or_try_init(|| async {
            let text = render().await?;
            self.weigh(&key, text.len());
            Ok(text)
        });
        text.await.cloned()
    }

    fn place(&self, key: Key) -> Option<Rendering> {
        let mut kept = self.kept();
        if let Some(place) = kept.places.get(&key) {
            return Some(Arc::clone(place));
        }
        if kept.places.len() == KEPT {
            return None;
        }
        Some(Arc::clone(kept.places.entry(key).or_default()))
    }

    /// Counts a rendering; one that is too much goes to those who wait for it already, and to nobody else.
    fn weigh(&self, key: &Key, bytes: usize) {
        let mut kept = self.kept();
        if kept.bytes + bytes > KEPT_BYTES {
            kept.places.remove(key);
        } else {
            kept.bytes += bytes;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    async fn render(renderings: &Renderings, what: u8, text: &str) -> Result<Arc<str>, ()> {
        render_at(renderings, (what, 1), text).await
    }

    async fn render_at(
        renderings: &Renderings,
        (what, version): (u8, u64),
        text: &str,
    ) -> Result<Arc<str>, ()> {
        let text = text.into();
        let render = || async { Ok(text) }.boxed();
        renderings.get_or_render((&[what; 32], version), render).await
    }

    #[tokio::test]
    async fn each_question_is_rendered_once() {
        let renderings = Renderings::default();
        assert_eq!(render(&renderings, 1, "first").await, Ok("first".into()));
        assert_eq!(render(&renderings, 1, "again").await, Ok("first".into()));
        assert_eq!(render(&renderings, 2, "other").await, Ok("other".into()));
        let later = render_at(&renderings, (1, 2), "with other rights");
        assert_eq!(later.await, Ok("with other rights".into()));
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let renderings = Renderings::default();
        let fail = || async { Err("no") }.boxed();
        let failed = renderings.get_or_render((&[1; 32], 1), fail).await;
        assert_eq!(failed, Err("no"));
        assert_eq!(render(&renderings, 1, "then").await, Ok("then".into()));
    }

    #[tokio::test]
    async fn one_too_many_is_made_but_not_kept() {
        let renderings = Renderings::default();
        for what in 0..100 {
            render(&renderings, what, "first").await.unwrap();
        }
        assert_eq!(renderings.kept().places.len(), KEPT);
        assert_eq!(render(&renderings, 0, "again").await, Ok("first".into()));
        assert_eq!(render(&renderings, 99, "again").await, Ok("again".into()));
    }

    #[tokio::test]
    async fn what_is_too_long_is_made_each_time() {
        let renderings = Renderings::default();
        let long = "x".repeat(KEPT_BYTES);
        assert_eq!(render(&renderings, 1, "short").await, Ok("short".into()));
        assert_eq!(render(&renderings, 2, &long).await, Ok(long.as_str().into()));
        assert_eq!(render(&renderings, 2, "again").await, Ok("again".into()));
        assert_eq!(renderings.kept().bytes, "short".len() + "again".len());
    }
}
