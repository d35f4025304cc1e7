// graphql-eslint's rules for schemas and for Relay on the committed SDL. Each exception says why it is one, and one
// that nothing needs is an error.

import graphql from '@graphql-eslint/eslint-plugin';

import { sdl } from './project.mjs';

const rules = {
  ...graphql.configs['flat/schema-recommended'].rules,
  ...graphql.configs['flat/schema-relay'].rules,
};

/** Descriptions everywhere, not only on types and the fields of the roots. */
rules['@graphql-eslint/require-description'] = [
  'error',
  {
    types: true,
    rootField: true,
    DirectiveDefinition: true,
    EnumValueDefinition: true,
    FieldDefinition: true,
    InputValueDefinition: true,
    // Those of `@skip`, `@include` and their like are not ours.
    ignoredSelectors: ['DirectiveDefinition > InputValueDefinition'],
  },
];

/**
 * Objects without an `id` of their own, by what they are. None can be fetched again, so a client keeps each as a part
 * of the object that it is read from.
 */
const VALUES = {
  'amounts and periods, equal if their fields are': [
    'Credits',
    'LineItem',
    'Money',
    'SimulationPeriod',
    'Usage',
    'UsageBucket',
    'UsagePeriod',
    'UsageSum',
    'UsageTotal',
  ],
  'computed for the caller when they are read': [
    'LimitDecider',
    'LimitExplanation',
    'LimitStep',
    'Limits',
    'Me',
    'Permission',
    'PermissionDecider',
    'PermissionSet',
    'PriceStep',
    'RatingExplanation',
    'ResourceLimit',
    'RuleRun',
    'UsageQuote',
  ],
  'parts of one API key, plan, rule version, simulation, usage event, webhook delivery or account': [
    'ApiKeyPermission',
    // Its id is that of the latest transfer, and null before the first.
    'BillingTransfer',
    'ClosedPeriod',
    'Meter',
    'RuleCheck',
    'RuleCheckReport',
    'RuleQuarantine',
    'SimulationAccount',
    'UsageCorrection',
    'WebhookAttempt',
  ],
  'told once: what came of an input, and news': [
    'AccessChange',
    'AccountMove',
    'LimitChange',
    'PayerChange',
    'RuleChangeUpdate',
    'UsageAlertUpdate',
    'UsageCorrectionResult',
    'UsageResult',
    'UsageUpdate',
    'UserError',
  ],
  "Relay's own": ['PageInfo'],
};
rules['@graphql-eslint/strict-id-in-types'] = [
  'error',
  { exceptions: { types: Object.values(VALUES).flat(), suffixes: ['Connection', 'Edge', 'Payload'] } },
];

// Lists that are short by nature (errors, permissions, steps of an explanation) or bounded by an argument are lists:
// what can grow without end is a connection. Each connection has `nodes` beside `edges`, for those who need no cursor.
rules['@graphql-eslint/relay-edge-types'] = ['error', { listTypeCanWrapOnlyEdgeType: false }];

/** What a rule says of one place only. */
const EXCEPTIONS = [
  {
    rule: '@graphql-eslint/relay-edge-types',
    message: "Edge type's field `node` must implement `Node` interface.",
    line: /^type ApiKeyEdge /,
    // It is read through its account alone: who may see it is who may see API keys there.
  },
  {
    rule: '@graphql-eslint/no-typename-prefix',
    message: 'Field "subaccounts" starts with the name of the parent type "Subaccount"',
    // The field is that of the interface Tenant: the accounts below, whatever kind the account is.
  },
  {
    rule: '@graphql-eslint/relay-edge-types',
    message: "Edge type's field `node` must implement `Node` interface.",
    line: /^type SimulationAccountEdge /,
    // A row of a result. It has no id; its simulation is a Node.
  },
  {
    rule: '@graphql-eslint/relay-edge-types',
    message: "Edge type's field `node` must implement `Node` interface.",
    line: /^type UsageAlertEdge /,
    // It is read through its account alone: who may see it is who may see usage there.
  },
  {
    rule: '@graphql-eslint/relay-edge-types',
    message: "Edge type's field `node` must implement `Node` interface.",
    line: /^type UsageAlertCrossingEdge /,
    // It is read through its alert alone.
  },
  {
    rule: '@graphql-eslint/relay-edge-types',
    message: "Edge type's field `node` must implement `Node` interface.",
    line: /^type WebhookEndpointEdge /,
    // It is read through its account alone: who may see it is who may see webhooks there.
  },
  {
    rule: '@graphql-eslint/relay-edge-types',
    message: "Edge type's field `node` must implement `Node` interface.",
    line: /^type WebhookDeliveryEdge /,
    // It is read through its endpoint alone.
  },
];

let text = '';
const exceptions = {
  preprocess: (read) => [(text = read)],
  postprocess([messages]) {
    const lines = text.split('\n');
    const isFor = (message, { rule, message: wanted, line = /^/ }) =>
      message.ruleId === rule && message.message === wanted && line.test(lines[message.line - 1]);
    const unused = EXCEPTIONS.filter((exception) => !messages.some((message) => isFor(message, exception)));
    return [
      ...messages.filter((message) => !EXCEPTIONS.some((exception) => isFor(message, exception))),
      ...unused.map(({ rule, message }) => ({
        ruleId: rule,
        severity: 2,
        message: `An exception that nothing needs: ${message}`,
        line: 1,
        column: 1,
      })),
    ];
  },
};

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: sdl } },
    },
    plugins: { '@graphql-eslint': graphql },
    processor: exceptions,
    rules,
  },
];
