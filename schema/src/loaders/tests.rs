//! Batching, with reads that count.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use canopy_domain::{Error, Result};
use futures_util::future::{BoxFuture, join_all};
use futures_util::{StreamExt, stream};

use super::drive::Driven;
use super::{Loaders, Read, lock};

/// What was read, batch by batch.
type Journal = Arc<Mutex<Vec<Vec<u32>>>>;

/// Answers ten times the number; nothing for 13; fails for 99.
#[derive(PartialEq)]
struct Tenfold {
    variant: u8,
    /// How often the read yields before it answers.
    slowness: usize,
}

impl Read<Journal> for Tenfold {
    type Parent = u32;
    type Key = u32;
    type Value = u32;

    fn key(parent: &u32) -> u32 {
        *parent
    }

    fn read(
        self: Box<Self>,
        journal: Journal,
        parents: Vec<u32>,
    ) -> BoxFuture<'static, Result<HashMap<u32, u32>>> {
        Box::pin(async move {
            lock(&journal).push(parents.clone());
            for _ in 0..self.slowness {
                tokio::task::yield_now().await;
            }
            if parents.contains(&99) {
                return Err(Error::internal("no"));
            }
            Ok(parents
                .into_iter()
                .filter(|parent| *parent != 13)
                .map(|parent| (parent, parent * 10))
                .collect())
        })
    }
}

const FAST: u8 = 0;

fn fast() -> Tenfold {
    Tenfold {
        variant: FAST,
        slowness: 0,
    }
}

fn loaders() -> (Loaders<Journal>, Journal) {
    let journal = Journal::default();
    (Loaders::new(journal.clone()), journal)
}

#[tokio::test]
async fn all_parents_of_a_level_are_read_at_once_whatever_the_width() {
    for width in [1, 25, 300] {
        let (loaders, journal) = loaders();
        let resolve = |parent: u32| {
            let loaders = loaders.clone();
            async move {
                let child = loaders.load(fast(), parent).await?.unwrap();
                loaders.load(fast(), child).await
            }
        };
        let resolvers = join_all((1000..1000 + width).map(resolve));
        let answers = Driven::new(resolvers, loaders.clone()).await;
        for (parent, answer) in (1000..).zip(answers) {
            assert_eq!(answer.unwrap(), Some(parent * 100));
        }
        assert_eq!(lock(&journal).len(), 2, "width {width}");
    }
}

#[tokio::test]
async fn a_parent_that_many_ask_for_is_read_once_and_one_without_answer_is_none() {
    let (loaders, journal) = loaders();
    let resolvers = join_all([7, 13, 7, 7].map(|parent| loaders.load(fast(), parent)));
    let answers = Driven::new(resolvers, loaders.clone()).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [Some(70), None, Some(70), Some(70)]);
    assert_eq!(*lock(&journal), [vec![7, 13]]);
}

#[tokio::test]
async fn an_error_is_shared_by_all_who_wait_for_the_batch() {
    let (loaders, _) = loaders();
    let resolvers = join_all([1, 99].map(|parent| loaders.load(fast(), parent)));
    for answer in Driven::new(resolvers, loaders.clone()).await {
        assert!(matches!(answer, Err(Error::Internal(_))));
    }
}

#[tokio::test]
async fn a_round_waits_for_its_slowest_read_so_that_the_next_level_is_read_once() {
    let (loaders, journal) = loaders();
    let resolve = |slowness: usize| {
        let loaders = loaders.clone();
        async move {
            let first = Tenfold { variant: 1, slowness };
            let parent = loaders.load(first, slowness as u32).await?.unwrap();
            loaders.load(fast(), parent).await
        }
    };
    let resolvers = join_all([0, 3, 50].map(resolve));
    Driven::new(resolvers, loaders.clone()).await;
    // Three different reads at once, then one for all three.
    let journal = lock(&journal);
    assert_eq!(journal.len(), 4);
    assert_eq!(journal[3].len(), 3);
}

#[tokio::test]
async fn a_resolver_that_yields_holds_the_round_back() {
    let (loaders, journal) = loaders();
    let resolve = |turns: u32| {
        let loaders = loaders.clone();
        async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            loaders.load(fast(), turns).await
        }
    };
    Driven::new(join_all((0..5).map(resolve)), loaders.clone()).await;
    assert_eq!(lock(&journal).iter().map(Vec::len).sum::<usize>(), 5);
}

#[tokio::test]
async fn a_stream_is_driven_item_by_item() {
    let (loaders, journal) = loaders();
    let count = AtomicUsize::new(0);
    let resolvers = stream::iter(0..3).then(|item| {
        count.fetch_add(1, Ordering::Relaxed);
        let (one, other) = (loaders.load(fast(), item), loaders.load(fast(), item + 100));
        async move { futures_util::future::join(one, other).await.1.unwrap().unwrap() }
    });
    let answers: Vec<u32> = Driven::new(resolvers, loaders.clone()).collect().await;
    assert_eq!(answers, [1000, 1010, 1020]);
    assert_eq!(lock(&journal).len(), 3);
}
