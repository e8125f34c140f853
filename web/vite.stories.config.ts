/** Builds `dev/stories.html`, every state of the live pages without a server, for the tests that look at all of them. */

import { defineConfig, mergeConfig } from "vitest/config";
import pages from "./vite.config.ts";

const stories = mergeConfig(pages, defineConfig({}));
stories.build.rolldownOptions.input = { stories: "dev/stories.html" };
stories.build.reportCompressedSize = false;

export default stories;
