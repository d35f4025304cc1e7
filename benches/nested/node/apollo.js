// Apollo Server, standalone.

import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { makeContext, resolvers, typeDefs } from './schema.js';

const server = new ApolloServer({ typeDefs, resolvers, includeStacktraceInErrorResponses: false });
const listen = { port: Number(process.env.PORT), host: '127.0.0.1' };
await startStandaloneServer(server, { listen, context: async () => makeContext() });
