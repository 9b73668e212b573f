/** What is shown as YAML; loaded where somebody asks for it. */
import { stringify } from "yaml";

/** Without a final line break. */
export function yaml(value: unknown): string {
	return stringify(value, { lineWidth: 0 }).trimEnd();
}
