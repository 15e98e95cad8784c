-- What lists and accounts need: sessions that people can tell apart, accounts that end, and what was read.

pragma user_version = 3;

alter table users add column deleted_at_ms integer; -- null while there is the account; nobody else ever gets its name

alter table sessions add column address text; -- where it began
alter table sessions add column client text check (length(client) between 1 and 64); -- the program, as it calls itself

-- Up to where users have read their conversations, as they say.
create table read_marks (
  user_id integer not null references users (user_id),
  conversation integer not null, -- as in messages
  message_id integer not null, -- never moves back
  primary key (user_id, conversation)
) strict, without rowid;

drop view readable_users;
create view readable_users as
select user_id, username,
  strftime('%Y-%m-%d %H:%M:%S', registered_at_ms / 1000.0, 'unixepoch') as registered_at,
  strftime('%Y-%m-%d %H:%M:%S', deleted_at_ms / 1000.0, 'unixepoch') as deleted_at
from users;

drop view readable_sessions;
create view readable_sessions as
select session_id, username,
  strftime('%Y-%m-%d %H:%M:%S', created_at_ms / 1000.0, 'unixepoch') as created_at,
  strftime('%Y-%m-%d %H:%M:%S', last_used_at_ms / 1000.0, 'unixepoch') as last_used_at,
  address, client
from sessions join users using (user_id);
