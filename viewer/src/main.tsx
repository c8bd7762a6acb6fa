import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/lists.css";
import "./styles/studies.css";
import "./styles/study.css";
import "./styles/notes.css";
import "./styles/operations.css";
import "./styles/retention.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element with the id root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
