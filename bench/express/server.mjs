// Tasks over REST from Express and PostgreSQL: what FocusFlow's edge is measured against.
//
// One process, a pool of connections that are kept, statements that are prepared once, ETags off, as FocusFlow's answers
// carry their own. The server says where it listens on its standard output and ends with its standard input.

import { createSecretKey, randomUUID } from 'node:crypto';
import express from 'express';
import jwt from 'jsonwebtoken';
import pg from 'pg';

const { DATABASE_URL, DATABASE_CONNECTIONS, JWT_SECRET } = process.env;

// Made once: making a key of the text for each request costs fifty times as much as checking a token.
const KEY = createSecretKey(Buffer.from(JWT_SECRET));

const COLUMNS = `id, category_id, parent_id, title, description, priority, status, estimated_minutes, logged_micros,
  due_time, tags, version, create_time, update_time`;

const GET = {
  name: 'get',
  text: `SELECT ${COLUMNS} FROM tasks WHERE user_id = $1 AND id = $2 AND delete_time IS NULL`,
};
const LIST = {
  name: 'list',
  text: `SELECT ${COLUMNS} FROM tasks WHERE user_id = $1 AND delete_time IS NULL
         ORDER BY create_time DESC, id DESC LIMIT $2`,
};
const CREATE = {
  name: 'create',
  text: `INSERT INTO tasks (user_id, id, title, description, priority, status, estimated_minutes, logged_micros, tags,
           version, create_time, update_time)
         VALUES ($1, $2, $3, '', $4, 'PENDING', $5, 0, $6, 1, now(), now()) RETURNING ${COLUMNS}`,
};

const PAGE_SIZE = 50;

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(DATABASE_CONNECTIONS) });

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(express.json());
app.use((request, response, next) => {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  try {
    if (scheme !== 'Bearer') throw new Error('there is no bearer token');
    request.userId = jwt.verify(token, KEY, { algorithms: ['HS256'] }).sub;
    next();
  } catch (error) {
    response.status(401).json({ code: 16, message: error.message });
  }
});

app.get('/api/v1/tasks/:id', async (request, response) => {
  const { rows } = await pool.query({ ...GET, values: [request.userId, request.params.id] });
  if (rows.length === 0) return response.status(404).json({ code: 5, message: 'there is no such task' });
  response.json(task(rows[0]));
});

app.get('/api/v1/tasks', async (request, response) => {
  const { rows } = await pool.query({ ...LIST, values: [request.userId, PAGE_SIZE + 1] });
  const nextPageToken = rows.length > PAGE_SIZE ? rows[PAGE_SIZE - 1].id : '';
  response.json({ tasks: rows.slice(0, PAGE_SIZE).map(task), nextPageToken });
});

app.post('/api/v1/tasks', async (request, response) => {
  const { title, priority = 'MEDIUM', estimatedMinutes = 0, tags = [] } = request.body;
  if (typeof title !== 'string' || title.length === 0 || title.length > 500) {
    return response.status(400).json({ code: 3, message: 'task.title must have 1 to 500 characters' });
  }
  const values = [request.userId, randomUUID(), title, priority, estimatedMinutes, JSON.stringify(tags)];
  const { rows } = await pool.query({ ...CREATE, values });
  response.json(task(rows[0]));
});

function task(row) {
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    categoryId: row.category_id ?? '',
    priority: row.priority,
    status: row.status,
    estimatedMinutes: row.estimated_minutes,
    actualMinutes: Math.floor(Number(row.logged_micros) / 60e6),
    dueTime: row.due_time ?? undefined,
    tags: row.tags,
    parentId: row.parent_id ?? '',
    recurrence: '',
    seriesId: '',
    occurrenceDate: '',
    postponementCount: 0,
    createTime: row.create_time,
    updateTime: row.update_time,
    etag: `"${row.version}"`,
  };
}

const server = app.listen(0, '127.0.0.1', () => {
  const { address, port } = server.address();
  console.log(`${address}:${port}`);
});
process.stdin.on('end', () => process.exit()).resume();
