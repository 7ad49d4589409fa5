-- +goose Up
-- A family that an exchanged token began ends with the one that the token was of.
ALTER TABLE families ADD COLUMN parent TEXT NOT NULL DEFAULT '';
