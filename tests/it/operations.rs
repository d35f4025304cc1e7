//! The operations that several features use, with their documents.

use canopy_domain::entity::account::Model as Account;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};

/// A reseller's hierarchy: five levels, with everything at each.
pub(crate) fn hierarchy(page: usize) -> String {
    let mut inner = String::from("...Tenant");
    for _ in 0..4 {
        inner = format!("...Tenant subaccounts(first: {page}) {{ totalCount nodes {{ {inner} }} }}");
    }
    format!(
        "query Hierarchy($id: ID!) {{ account(id: $id) {{ {inner} }} }}
         fragment Tenant on Tenant {{
           id name status kind level
           members(first: 5) {{ totalCount nodes {{ id role user {{ id name email }} }} }}
           permissionSet {{ permissions {{ key level decidedBy {{ kind account key role }} }} }}
           limits {{ resources {{ resource max used remaining decidedBy {{ kind account ruleVersion ruleDigest }} }} }}
           usage(granularity: DAY) {{
             totals {{ meter quantity events amount {{ amount currency }} }}
             buckets {{ start meter quantity events }}
           }}
         }}"
    )
}

/// What a rating tells.
pub(crate) const EVENT: &str = "fragment Event on UsageEvent {
  id meter quantity occurredAt recordedAt idempotencyKey attributes ratingStatus
  account { id }
  ratings {
    id seller buyer price { amount currency } cost { amount } margin { amount }
    ruleVersion ruleName ruleDigest inputDigest fuel lineItems { description quantity amount { amount } }
  }
}";

pub(crate) const USAGE_UPDATES: &str = "
  subscription ($account: ID!, $below: Boolean!, $after: String) {
    usageUpdates(accountId: $account, includeDescendants: $below, after: $after) {
      cursor kind event { id idempotencyKey ratingStatus account { id } }
    }
  }";

/// An event of one unit of `minutes` under this key.
pub(crate) fn event(key: &str) -> Value {
    json!({"idempotencyKey": key, "meter": "minutes", "quantity": "1"})
}

impl App {
    /// Follows the news of an account by such a document, behind a cursor or from now on.
    pub(crate) async fn follow(
        &self,
        caller: &Caller,
        document: &str,
        account: &Account,
        below: bool,
        after: Option<&str>,
    ) -> BoxStream<'static, Answer> {
        let variables = json!({"account": account.id.as_str(), "below": below, "after": after});
        self.subscribe(caller, document, variables).await
    }

    pub(crate) async fn record(&self, caller: &Caller, account: &Account, events: Value) -> Answer {
        let document = format!(
            "mutation ($input: RecordUsageInput!) {{
               recordUsage(input: $input) {{
                 results {{
                   index idempotencyKey status event {{ ...Event }} userErrors {{ field message code }}
                 }}
                 userErrors {{ field message code }}
               }}
             }} {EVENT}"
        );
        let input = json!({"accountId": account.id.as_str(), "events": events});
        self.run(caller, &document, json!({"input": input})).await
    }

    /// Records events that must all be accepted, and answers them.
    #[track_caller]
    pub(crate) fn accepted(&self, answer: &Answer) -> Vec<Value> {
        let results = answer.success()["results"].as_array().expect("results").clone();
        for result in &results {
            assert_eq!(result["status"], "ACCEPTED", "{result:#}");
        }
        results
            .into_iter()
            .map(|result| result["event"].clone())
            .collect()
    }

    pub(crate) async fn create_subaccount(&self, caller: &Caller, input: Value) -> Answer {
        let document = "mutation ($input: CreateSubaccountInput!) {
          createSubaccount(input: $input) {
            subaccount {
              id name status kind depth level currency timeZone planInherited plan { id } billingMode creditMode
              parent { id }
            }
            replayed
            userErrors { field message code }
          }
        }";
        self.run(caller, document, json!({"input": input})).await
    }

    pub(crate) async fn update_subaccount(&self, caller: &Caller, input: Value) -> Answer {
        let document = "mutation ($input: UpdateSubaccountInput!) {
          updateSubaccount(input: $input) {
            subaccount { id name status timeZone plan { id } planInherited creditMode }
            replayed
            userErrors { field message code }
          }
        }";
        self.run(caller, document, json!({"input": input})).await
    }

    pub(crate) async fn set_permissions(&self, caller: &Caller, input: Value) -> Answer {
        let document = "mutation ($input: SetPermissionsInput!) {
          setPermissions(input: $input) {
            account { id }
            permissionSet { permissions { key level } }
            replayed
            userErrors { field message code }
          }
        }";
        self.run(caller, document, json!({"input": input})).await
    }

    pub(crate) async fn upload_rule(&self, caller: &Caller, input: Value) -> Answer {
        let document = "mutation ($input: UploadRuleInput!) {
          uploadRule(input: $input) {
            ruleVersion { id kind name version digest sizeBytes status configuration failurePolicy activeSince }
            replayed
            userErrors { field message code }
          }
        }";
        self.run(caller, document, json!({"input": input})).await
    }

    pub(crate) async fn activate_rule(&self, caller: &Caller, input: Value) -> Answer {
        self.rule_step(caller, "activateRule", input).await
    }

    /// Takes a rule version a step further: `activateRule`, `shadowRule`, `rollbackRule`, and those without a
    /// predecessor `checkRule` and `retireRule`.
    pub(crate) async fn rule_step(&self, caller: &Caller, field: &str, input: Value) -> Answer {
        let previous = match field {
            "checkRule" | "retireRule" => "",
            _ => "previous { id status activeSince }",
        };
        let document = format!(
            "mutation ($input: {}{}Input!) {{
               {field}(input: $input) {{
                 ruleVersion {{ id status activeSince }} {previous} replayed userErrors {{ field message code }}
               }}
             }}",
            field[..1].to_uppercase(),
            &field[1..]
        );
        self.run(caller, &document, json!({"input": input})).await
    }

    /// What became of a rule version so far.
    pub(crate) async fn rule_version(&self, caller: &Caller, id: &Value) -> Value {
        let document = "query ($id: ID!) { node(id: $id) { ... on RuleVersion {
          id name version status class failurePolicy activeSince configurationSchema
          history { fromStatus toStatus changedBy reason }
          failures { account kind message logs input counted }
          quarantine { at reason failures }
        } } }";
        let answer = self.run(caller, document, json!({"id": id})).await;
        answer.data()["node"].clone()
    }

    pub(crate) async fn upload_and_activate(&self, caller: &Caller, input: Value) -> Value {
        let uploaded = self.upload_rule(caller, input).await.success()["ruleVersion"].clone();
        let activate = json!({"ruleVersionId": uploaded["id"]});
        self.activate_rule(caller, activate).await.success();
        uploaded
    }
}

/// Bytes in the Base64 of RFC 4648, for `uploadRule`.
pub(crate) fn base64(bytes: &[u8]) -> String {
    encode(
        bytes,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        true,
    )
}

/// Bytes in the Base64 of URLs, without padding, as tokens have it.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    encode(
        bytes,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        false,
    )
}

fn encode(bytes: &[u8], alphabet: &[u8; 64], padded: bool) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_u32, |sum, at| {
            sum << 8 | u32::from(*chunk.get(at).unwrap_or(&0))
        });
        for at in 0..=chunk.len() {
            let digit = group >> (18 - 6 * at) & 63;
            text.push(char::from(alphabet[digit as usize]));
        }
        if padded {
            text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
        }
    }
    text
}

#[test]
fn base64_is_that_of_the_standard() {
    for (text, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
    ] {
        assert_eq!(base64(text.as_bytes()), encoded);
    }
    assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
}
