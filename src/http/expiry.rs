//! The end of a credential's time, as something to wait for.

use std::time::Duration;

use canopy_domain::entity::time::{self, Timestamp};

/// The longest wait in one piece. Timers follow the machine's uptime and credentials the calendar; where the calendar
/// is set, this is how late its end is noticed.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits until `end` has passed; for ever if there is none.
pub(super) async fn passed(end: Option<Timestamp>) {
    let Some(end) = end else {
        return std::future::pending().await;
    };
    // Nothing is left of what lies in the past.
    while let Ok(left) = (end - time::now()).to_std()
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(LONGEST)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_ended_is_not_waited_for_and_what_never_ends_is() {
        passed(Some(time::now())).await;
        passed(Some(time::now() - Duration::from_secs(1))).await;
        let soon = time::now() + Duration::from_millis(20);
        passed(Some(soon)).await;
        assert!(time::now() >= soon);
        let never = tokio::time::timeout(Duration::from_millis(5), passed(None));
        assert!(never.await.is_err());
    }
}
