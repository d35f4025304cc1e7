//! What the demo's tree looks like: accounts, people, restrictions, prices. Data only.

use canopy_domain::entity::{Level, PermissionKey, Role, account::CreditMode};
use serde_json::{Value, json};

/// The password of the demo's people who have one: the owner of each tree.
pub(super) const PASSWORD: &str = "canopy-demo";
/// The platform's name.
pub(super) const PLATFORM: &str = "Voxtower";

/// The root of a part of the tree that is shown on its own: the platform, or an agency.
pub(super) struct Tree {
    /// Its name in the output: `itellico` in `itellico.owner`.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// The part of its people's addresses behind the @.
    pub(super) domain: &'static str,
    /// The preset that it is on; none for the platform.
    pub(super) plan: Option<&'static str>,
    /// Where it is; the platform's time zone if none.
    pub(super) time_zone: Option<&'static str>,
    /// One person for each of [`ROLES`], in that order.
    pub(super) people: [&'static str; 5],
    /// What it bought in advance, in whole units of its currency.
    pub(super) purchased: i64,
    pub(super) clients: &'static [Client],
}

/// A subaccount.
pub(super) struct Client {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// Its own people; none where the plan has members of the agency only.
    pub(super) people: &'static [(&'static str, Role)],
    pub(super) credit_mode: CreditMode,
    /// What it bought in advance, in whole units of its currency.
    pub(super) purchased: i64,
    pub(super) restrictions: &'static [(PermissionKey, Level)],
    /// A limit that its parent sets: resource and highest count.
    pub(super) limit: Option<(&'static str, u64)>,
    pub(super) clients: &'static [Client],
}

impl Client {
    const fn new(key: &'static str, name: &'static str) -> Self {
        Self {
            key,
            name,
            people: &[],
            credit_mode: CreditMode::Manual,
            purchased: 0,
            restrictions: &[],
            limit: None,
            clients: &[],
        }
    }
}

/// The roles of each tree, with their names in the output.
pub(super) const ROLES: [(Role, &str); 5] = [
    (Role::Owner, "owner"),
    (Role::Admin, "admin"),
    (Role::AgencyAdmin, "agency_admin"),
    (Role::Member, "member"),
    (Role::Viewer, "viewer"),
];

/// The platform, which stands above the agencies.
pub(super) const TOP: Tree = Tree {
    key: "platform",
    name: PLATFORM,
    domain: "voxtower.example",
    plan: None,
    time_zone: None,
    people: [
        "Ingrid Solheim",
        "Mateo Rivas",
        "Amara Diallo",
        "Yusuf Karaca",
        "Hana Kimura",
    ],
    purchased: 0,
    clients: &[],
};

/// One agency for each preset.
pub(super) const AGENCIES: [Tree; 4] = [
    Tree {
        key: "itellico",
        name: "Northwind Voice",
        domain: "northwind.example",
        plan: Some("pln_itellico"),
        time_zone: Some("Europe/Vienna"),
        people: [
            "Clara Weiss",
            "Tomás Herrera",
            "Priya Raman",
            "Jonas Lind",
            "Mei Tan",
        ],
        purchased: 4000,
        clients: NORTHWIND,
    },
    Tree {
        key: "bolna",
        name: "Bluebird Calls",
        domain: "bluebird.example",
        plan: Some("pln_bolna"),
        time_zone: Some("Asia/Kolkata"),
        people: [
            "Arjun Mehta",
            "Sofia Conti",
            "Leila Haddad",
            "Oskar Nowak",
            "Grace Okafor",
        ],
        purchased: 1500,
        clients: BLUEBIRD,
    },
    Tree {
        key: "connector",
        name: "Harbor AI",
        domain: "harbor.example",
        plan: Some("pln_connector"),
        time_zone: Some("America/New_York"),
        people: [
            "Daniel Brandt",
            "Nadia Petrova",
            "Luca Moretti",
            "Emma Larsen",
            "Kofi Mensah",
        ],
        purchased: 1500,
        clients: HARBOR,
    },
    Tree {
        key: "agentphone",
        name: "Dialtone Labs",
        domain: "dialtone.example",
        plan: Some("pln_agentphone"),
        time_zone: None,
        people: [
            "Rosa Jimenez",
            "Viktor Hahn",
            "Aiko Sato",
            "Ben Adler",
            "Zara Hussein",
        ],
        purchased: 1500,
        clients: DIALTONE,
    },
];

const NORTHWIND: &[Client] = &[
    Client {
        people: &[("Helen Park", Role::Owner), ("Marcus Bell", Role::Member)],
        restrictions: &[
            (PermissionKey::AgentPrompt, Level::Read),
            (PermissionKey::SipTrunks, Level::Read),
        ],
        limit: Some(("subaccounts", 10)),
        clients: ACME,
        ..Client::new("acme", "Acme Dental Group")
    },
    Client {
        people: &[("Duarte Nunes", Role::Owner), ("Inês Rocha", Role::Viewer)],
        restrictions: &[(PermissionKey::Developers, Level::None)],
        clients: &[
            Client::new("lisbon", "Lumen Lisboa"),
            Client::new("porto", "Lumen Porto"),
        ],
        ..Client::new("lumen", "Lumen Hotels")
    },
    Client {
        people: &[("Olive Grant", Role::Owner)],
        ..Client::new("orchard", "Orchard Realty")
    },
];

const ACME: &[Client] = &[
    Client {
        people: &[("Paul Nguyen", Role::Admin)],
        restrictions: &[(PermissionKey::Telephony, Level::Read)],
        clients: &[
            Client {
                people: &[("Rita Lopez", Role::Admin)],
                clients: &[Client {
                    clients: &[Client {
                        people: &[("Sam Ortiz", Role::Member)],
                        restrictions: &[(PermissionKey::CampaignsAndContacts, Level::None)],
                        ..Client::new("desk", "Ballard Front Desk")
                    }],
                    ..Client::new("ballard", "Ballard Practice")
                }],
                ..Client::new("seattle", "Seattle Clinics")
            },
            Client::new("portland", "Portland Clinics"),
        ],
        ..Client::new("west", "Acme Dental West")
    },
    Client {
        people: &[("Dana Cole", Role::Admin)],
        ..Client::new("east", "Acme Dental East")
    },
];

const BLUEBIRD: &[Client] = &[
    Client::new("tessera", "Tessera Logistics"),
    Client {
        restrictions: &[(PermissionKey::KnowledgeBases, Level::Read)],
        ..Client::new("pinewood", "Pinewood Credit Union")
    },
    Client::new("marlow", "Marlow Tutors"),
];

const HARBOR: &[Client] = &[
    Client {
        people: &[("Tessa Boyd", Role::Owner)],
        credit_mode: CreditMode::Reselling,
        purchased: 60,
        ..Client::new("brightside", "Brightside Fitness")
    },
    Client {
        people: &[("Will Calder", Role::Owner)],
        restrictions: &[(PermissionKey::Webhooks, Level::None)],
        ..Client::new("calder", "Calder Roofing")
    },
];

const DIALTONE: &[Client] = &[
    Client::new("courier", "Courier Bots"),
    Client::new("nightdesk", "Night Desk"),
    Client::new("field", "Field Agents"),
];

/// Who sells at which prices: account key, rule name, configuration of `tiered-pricing`.
pub(super) fn prices() -> [(&'static str, &'static str, Value); 6] {
    let marked_up = |minutes: &str, markup_ppm: u32| {
        json!({ "meters": {
            "call_minutes": { "unit_price": minutes },
            "*": { "markup_ppm": markup_ppm },
        } })
    };
    let tiered = json!({ "meters": {
        "call_minutes": { "tiers": [
            { "up_to": "500", "unit_price": "0.12" },
            { "up_to": "2000", "unit_price": "0.1" },
            { "unit_price": "0.09" },
        ] },
        "*": { "markup_ppm": 250_000 },
    } });
    let wholesale = json!({ "meters": {
        "call_minutes": { "unit_price": "0.05" },
        "messages": { "unit_price": "0.006" },
        "*": { "unit_price": "0.01" },
    } });
    [
        ("platform", "wholesale", wholesale),
        ("itellico", "retail", tiered),
        ("bolna", "retail", marked_up("0.08", 300_000)),
        ("connector", "credits", marked_up("0.15", 1_000_000)),
        ("agentphone", "metered", marked_up("0.07", 100_000)),
        // A reseller in the middle of the tree: what Acme charges its regions.
        (
            "itellico.acme",
            "regional",
            json!({ "meters": { "*": { "markup_ppm": 150_000 } } }),
        ),
    ]
}

/// The configuration that the demo suggests to upload at the agency `itellico`.
pub(super) fn changed_price() -> Value {
    json!({ "meters": { "call_minutes": { "unit_price": "0.2" }, "*": { "markup_ppm": 250_000 } } })
}
