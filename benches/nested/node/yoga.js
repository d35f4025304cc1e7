// GraphQL Yoga on Node's own HTTP server.

import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { makeContext, resolvers, typeDefs } from './schema.js';

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context: makeContext,
  logging: false,
  graphiql: false,
});
createServer(yoga).listen(Number(process.env.PORT), '127.0.0.1');
