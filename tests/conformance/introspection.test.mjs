// What explorers and code generators ask first: the whole schema. It must pass the bounds on documents, in each form
// that their tools ask it in, and be the committed SDL.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';

import { codesOf } from '../clients/inbox.mjs';
import { demo, post } from './support.mjs';

const sdl = await readFile(new URL('../../schema/schema.graphql', import.meta.url), 'utf8');
// The SDL says that Tenant is a Node. async-graphql's introspection tells the interfaces of objects and not those of
// interfaces, so it alone does not.
const told = sdl.replace('interface Tenant implements Node {', 'interface Tenant {');
const linesOf = (schema) => printSchema(lexicographicSortSchema(schema)).split('\n');

/** The options of `getIntrospectionQuery` as tools set them. */
const FORMS = {
  'graphql-js, with its defaults': {},
  'GraphiQL and graphql-codegen, with everything': {
    descriptions: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  },
  'urql and Relay, without descriptions': { descriptions: false, inputValueDeprecation: true },
};

for (const [form, options] of Object.entries(FORMS)) {
  test(`introspection of ${form} is answered`, async () => {
    const query = getIntrospectionQuery(options);
    const { response, result } = await post({ query, operationName: 'IntrospectionQuery' });
    assert.equal(response.status, 200);
    assert.equal(result.errors, undefined, JSON.stringify(result.errors));
    const schema = buildClientSchema(result.data);
    // The SDL describes each type, introspection the schema as a whole, too: async-graphql says the same of all.
    schema.description = undefined;
    assert.ok(schema.getType('Tenant'));
    if (!options.oneOf) return;
    const [served, committed] = [linesOf(schema), linesOf(buildSchema(told))];
    // One line says more than two schemas.
    const different = committed.findIndex((line, index) => line !== served[index]);
    assert.equal(served[different], committed[different]);
    assert.equal(served.length, committed.length);
  });
}

test('tools that ask for one type get it', async () => {
  const query = `query Type($name: String!) {
    __type(name: $name) { kind name fields { name args { name type { kind name ofType { kind name } } } } }
  }`;
  const { result } = await post({ query, variables: { name: 'Tenant' } });
  assert.equal(result.data.__type.kind, 'INTERFACE');
  assert.ok(result.data.__type.fields.length > 20);
});

test('strangers are told nothing of the schema', async () => {
  const ask = async (query) => {
    const response = await fetch(demo.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return (await response.json()).errors;
  };
  assert.deepEqual(codesOf(await ask(getIntrospectionQuery())), ['UNAUTHENTICATED']);
  const [{ message }] = await ask('{ acount { id } }');
  assert.doesNotMatch(message, /account/);
});
