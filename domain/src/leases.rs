//! Leases: which of several processes on one database does what one process is enough for.
//!
//! A lease saves work, and never makes it right. Whoever held one may be paused in the middle of its work and go on after
//! another took over; so what is done under a lease must be right though two do it, by the locks and the checks of its own
//! transactions. The times are the database's: clocks of processes need not agree.
//!
//! On SQLite there are no leases: the database is a file of one machine, with one writer at a time, and each process does
//! its own work.

use std::time::{Duration, Instant};

use canopy_entity::lease;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait};

use crate::statement::statement;
use crate::{Domain, Result};

/// What the holder of the lease `relay` does: it gives rows of the outbox their positions, and tells other processes.
pub const RELAY: &str = "relay";

/// How a lease stands after it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is ours.
    Ours {
        /// How many holders it has had.
        term: i64,
        /// Until when this process may go by it, by its own clock: somewhat earlier than others may take it.
        until: Instant,
    },
    /// Somebody else has it.
    Theirs {
        /// Who.
        holder: String,
        /// How long still, unless they renew it.
        left: Duration,
    },
}

/// Asks first, because a refused insert locks the row.
const LOOK: &str = "
SELECT holder, CAST(EXTRACT(EPOCH FROM expires_at - clock_timestamp()) * 1000 AS bigint) AS left_ms
FROM leases WHERE name = $1
";

const TAKE: &str = "
INSERT INTO leases (name, holder, term, expires_at)
VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
  term = leases.term + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END
WHERE leases.holder = excluded.holder OR leases.expires_at <= clock_timestamp()
RETURNING term
";

const GIVE_UP: &str = "UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND holder = $2";

impl Domain {
    /// Whether processes on this database share work by leases.
    pub fn has_leases(&self) -> bool {
        self.0.db.get_database_backend() == DbBackend::Postgres
    }

    /// Takes or renews the lease `name` for `time`, unless another holder has it. `holder` names this process among all.
    /// Only where there are leases.
    pub async fn take_lease(&self, name: &str, holder: &str, time: Duration) -> Result<Standing> {
        let db = &self.0.db;
        let backend = db.get_database_backend();
        // Before it is asked for: whatever time the way takes is not ours.
        let until = Instant::now() + time;
        let look = statement(backend, LOOK, [name.into()]);
        if let Some(row) = db.query_one_raw(look).await? {
            let (theirs, left): (String, i64) = (row.try_get("", "holder")?, row.try_get("", "left_ms")?);
            if let (true, Ok(left @ 1..)) = (theirs != holder, u64::try_from(left)) {
                let left = Duration::from_millis(left);
                return Ok(Standing::Theirs { holder: theirs, left });
            }
        }
        let milliseconds = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let take = statement(backend, TAKE, [name.into(), holder.into(), milliseconds.into()]);
        match db.query_one_raw(take).await? {
            Some(row) => Ok(Standing::Ours {
                term: row.try_get("", "term")?,
                until,
            }),
            // Somebody was quicker.
            None => Ok(Standing::Theirs {
                holder: self.lease_holder(name).await?.unwrap_or_default(),
                left: time,
            }),
        }
    }

    /// Lets others take the lease at once, if `holder` has it.
    pub async fn give_up_lease(&self, name: &str, holder: &str) -> Result<()> {
        let db = &self.0.db;
        let give_up = statement(db.get_database_backend(), GIVE_UP, [name.into(), holder.into()]);
        db.execute_raw(give_up).await?;
        Ok(())
    }

    /// Who took the lease last.
    pub async fn lease_holder(&self, name: &str) -> Result<Option<String>> {
        let row = lease::Entity::find_by_id(name).one(&self.0.db).await?;
        Ok(row.map(|row| row.holder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDomain;

    const LONG: Duration = Duration::from_secs(600);

    fn ours(standing: &Standing) -> Option<i64> {
        match standing {
            Standing::Ours { term, until } => {
                assert!(*until <= Instant::now() + LONG);
                Some(*term)
            }
            Standing::Theirs { .. } => None,
        }
    }

    #[tokio::test]
    async fn a_lease_has_one_holder_until_it_is_over_or_given_up() {
        let house = TestDomain::new().await;
        let domain = &house.domain;
        if !domain.has_leases() {
            return;
        }
        let a = domain.take_lease("x", "a", LONG).await.unwrap();
        assert_eq!(ours(&a), Some(1));
        match domain.take_lease("x", "b", LONG).await.unwrap() {
            Standing::Theirs { holder, left } => {
                assert_eq!(holder, "a");
                assert!(left <= LONG && left > LONG / 2, "{left:?}");
            }
            taken => panic!("{taken:?}"),
        }
        let other = domain.take_lease("y", "b", LONG).await.unwrap();
        assert_eq!(ours(&other), Some(1), "each name is a lease of its own");
        let renewed = domain.take_lease("x", "a", LONG).await.unwrap();
        assert_eq!(ours(&renewed), Some(1), "a renewal is no new term");

        domain.give_up_lease("x", "b").await.unwrap();
        assert_eq!(ours(&domain.take_lease("x", "b", LONG).await.unwrap()), None);
        domain.give_up_lease("x", "a").await.unwrap();
        let b = domain.take_lease("x", "b", LONG).await.unwrap();
        assert_eq!(ours(&b), Some(2), "another holder is another term");
        assert_eq!(domain.lease_holder("x").await.unwrap().as_deref(), Some("b"));

        // A lease that is over is anybody's.
        let over = domain.take_lease("z", "a", Duration::ZERO).await.unwrap();
        assert_eq!(ours(&over), Some(1));
        assert_eq!(ours(&domain.take_lease("z", "b", LONG).await.unwrap()), Some(2));
        assert_eq!(ours(&domain.take_lease("z", "a", LONG).await.unwrap()), None);
    }

    #[tokio::test]
    async fn of_many_who_want_a_lease_at_once_one_gets_it() {
        let house = TestDomain::new().await;
        if !house.domain.has_leases() {
            return;
        }
        let names: Vec<String> = (0..8).map(|n| format!("process {n}")).collect();
        let asked = names.iter().map(|name| house.domain.take_lease("x", name, LONG));
        let standings = futures_util::future::try_join_all(asked).await.unwrap();
        let winners = standings.iter().filter(|standing| ours(standing).is_some());
        assert_eq!(winners.count(), 1, "{standings:?}");
    }
}
