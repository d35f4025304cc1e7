// mercurius with its JIT compiler on Fastify.

import Fastify from 'fastify';
import mercurius from 'mercurius';
import { makeContext, resolvers, typeDefs } from './schema.js';

const app = Fastify({ logger: false });
app.register(mercurius, { schema: typeDefs, resolvers, jit: 1, context: makeContext, path: '/graphql' });
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
